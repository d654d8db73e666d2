use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn the_first_key_is_created_once_and_its_file_is_private() {
    let data_dir = tempfile::tempdir().unwrap();
    load_or_create(data_dir.path(), false).unwrap();
    let path = data_dir.path().join(FILE_NAME);
    let first = fs::read(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    load_or_create(data_dir.path(), true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    fs::remove_file(&path).unwrap();
    let error = load_or_create(data_dir.path(), true).unwrap_err().to_string();
    assert!(error.contains("is missing, but the data directory has messages"), "{error}");
}

/// Two keys in a data directory whose store was opened.
fn with_copy() -> (tempfile::TempDir, Vec<u8>) {
    let data_dir = tempfile::tempdir().unwrap();
    write_new(data_dir.path(), &[(KeyId(3), [4; 32]), (KeyId(5), [6; 32])]).unwrap();
    let whole = fs::read(data_dir.path().join(FILE_NAME)).unwrap();
    assert_eq!(fs::read(data_dir.path().join(COPY_NAME)).unwrap(), whole);
    (data_dir, whole)
}

/// B7g: no changed bit, lost byte or lost file changes a key, or loses one.
#[test]
fn a_damaged_file_is_replaced_with_its_copy() {
    let (data_dir, whole) = with_copy();
    let expected = read(data_dir.path()).unwrap();
    let files = [FILE_NAME, COPY_NAME].map(|name| data_dir.path().join(name));
    for file in &files {
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1 << (index % 8);
            fs::write(file, &damaged).unwrap();
            load_or_create(data_dir.path(), true).unwrap();
            assert_eq!(read(data_dir.path()).unwrap(), expected, "bit {} of byte {index}", index % 8);
        }
        for length in 0..whole.len() {
            fs::write(file, &whole[..length]).unwrap();
            load_or_create(data_dir.path(), true).unwrap();
            let keys = read(data_dir.path()).unwrap();
            assert!(keys == expected, "{length} bytes are left");
        }
        fs::remove_file(file).unwrap();
        load_or_create(data_dir.path(), true).unwrap();
        keep_copy(data_dir.path()).unwrap();
        assert_eq!(read(data_dir.path()).unwrap(), expected);
    }
}

#[test]
fn two_damaged_files_are_named_and_not_used() {
    let (data_dir, whole) = with_copy();
    let at = whole.windows(2).position(|pair| pair == b"\n3").unwrap() + 8;
    let mut damaged = whole;
    damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
    for name in [FILE_NAME, COPY_NAME] {
        fs::write(data_dir.path().join(name), &damaged).unwrap();
    }
    let error = load_or_create(data_dir.path(), true).unwrap_err().to_string();
    assert!(error.contains("its check value does not match") && error.contains(COPY_NAME), "{error}");
    assert!(read(data_dir.path()).is_err() && load(data_dir.path()).is_err());
}

#[test]
fn a_file_without_a_check_value_is_read_and_gets_one() {
    let data_dir = tempfile::tempdir().unwrap();
    let path = data_dir.path().join(FILE_NAME);
    let old = format!("{HEADER}{}", line(KeyId(7), &[7; 32]));
    fs::write(&path, &old).unwrap();
    assert_eq!(read(data_dir.path()).unwrap(), [(KeyId(7), [7; 32])]);
    load_or_create(data_dir.path(), true).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with(&format!("{old}# check ")));
    assert!(!data_dir.path().join(COPY_NAME).exists(), "the store was not opened yet");
    keep_copy(data_dir.path()).unwrap();
    // Changed by hand, without the copy and the line of the check value.
    fs::remove_file(data_dir.path().join(COPY_NAME)).unwrap();
    fs::write(&path, line(KeyId(8), &[8; 32])).unwrap();
    assert_eq!(load_or_create(data_dir.path(), true).unwrap().current(), KeyId(8));
    keep_copy(data_dir.path()).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(load_or_create(data_dir.path(), true).unwrap().current(), KeyId(8));
}

#[test]
fn the_last_line_is_the_current_key_and_malformed_lines_are_refused() {
    let key = |n: u8| base64url::encode([n; 32]);
    let keyring = keyring(&format!("# keys\n1 {}\n2 {}\n", key(1), key(2))).unwrap();
    assert_eq!(keyring.current(), KeyId(2));
    for wrong in ["", "1", "1 abc", "256 x", &format!("1 {0}\n1 {0}", key(1))] {
        assert!(super::keyring(wrong).is_err(), "{wrong}");
    }
    let error = format!("{:#}", parse("# x\nfoo bar").unwrap_err());
    assert!(error.contains("line 2") && !error.contains("bar"), "{error}");
}

#[test]
fn rotation_adds_a_current_key_until_there_are_256() {
    let data_dir = tempfile::tempdir().unwrap();
    let keyring = load_or_create(data_dir.path(), false).unwrap();
    let first = keyring.current();
    for _ in 1..256 {
        let id = rotate(data_dir.path(), &keyring).unwrap();
        assert_eq!((keyring.current(), read(data_dir.path()).unwrap().last().unwrap().0), (id, id));
    }
    assert_eq!(keyring.current(), KeyId(first.0.wrapping_sub(1)));
    let error = rotate(data_dir.path(), &keyring).unwrap_err().to_string();
    assert!(error.contains("all 256 IDs"), "{error}");
    let again = load_or_create(data_dir.path(), true).unwrap();
    assert_eq!((again.current(), again.ids().count()), (keyring.current(), 256));
    let mode = fs::metadata(data_dir.path().join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn imported_keys_keep_their_ids_and_comments_stay() {
    let data_dir = tempfile::tempdir().unwrap();
    write_new(data_dir.path(), &[(KeyId(4), [4; 32])]).unwrap();
    let path = data_dir.path().join(FILE_NAME);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "# of 2026\n").unwrap();
    let keyring = load_or_create(data_dir.path(), true).unwrap();
    // From a server that had the same first key and has rotated since.
    let imported = [(KeyId(4), [4; 32]), (KeyId(5), [5; 32])];
    import_keys(data_dir.path(), &keyring, &imported).unwrap();
    let again = load_or_create(data_dir.path(), true).unwrap();
    assert_eq!((again.ids().count(), again.oldest()), (3, KeyId(4)));
    assert!(again.current() == keyring.current() && ![KeyId(4), KeyId(5)].contains(&again.current()));
    assert!(read(data_dir.path()).unwrap().contains(&imported[1]));
    assert!(fs::read_to_string(&path).unwrap().contains("# of 2026"));
}

#[test]
fn imported_keys_open_urls_and_do_not_seal() {
    let data_dir = tempfile::tempdir().unwrap();
    write_new(data_dir.path(), &[(KeyId(4), [4; 32]), (KeyId(5), [5; 32])]).unwrap();
    let keyring = load_or_create(data_dir.path(), true).unwrap();
    import_keys(data_dir.path(), &keyring, &[(KeyId(6), [6; 32]), (KeyId(4), [4; 32])]).unwrap();
    let expected = [(KeyId(4), [4; 32]), (KeyId(6), [6; 32]), (KeyId(5), [5; 32])];
    assert_eq!(read(data_dir.path()).unwrap(), expected);
    assert_eq!((keyring.current(), keyring.ids().count()), (KeyId(5), 3));
    let error = import_keys(data_dir.path(), &keyring, &[(KeyId(7), [7; 32]), (KeyId(4), [9; 32])]);
    assert!(error.unwrap_err().to_string().contains("the ID 4 belongs to a different sealing key"));
    assert_eq!(read(data_dir.path()).unwrap(), expected);
    assert!(write_new(data_dir.path(), &[(KeyId(1), [1; 32])]).is_err(), "the file exists");
}
