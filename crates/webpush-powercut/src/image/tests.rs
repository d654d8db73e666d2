use super::*;
use webpush_store::simulation::Random;

fn image(order: NameOrder) -> Image {
    Image::new(1 << 20, order)
}

/// A synced file with that content.
fn synced(image: &mut Image, name: &str, content: &[u8]) -> u64 {
    let file = image.create(ROOT, name.as_ref(), 0o600).unwrap();
    image.write(file, 0, content).unwrap();
    image.sync(file).unwrap();
    image.sync(ROOT).unwrap();
    file
}

fn content(image: &Image, path: &str) -> Option<Vec<u8>> {
    let file = image.find(path).ok()?;
    Some(image.read(file, 0, 1 << 20).unwrap())
}

/// The different contents of a file after cuts with many seeds.
fn survivors(image: &Image, path: &str, rules: CutRules) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    (0..300).map(|seed| content(&image.cut(rules, &mut Random::new(seed)), path)).collect()
}

const fn rules(data: DataLoss, names: u64) -> CutRules {
    CutRules { data: Some(data), names }
}

#[test]
fn what_is_synced_survives_every_cut() {
    for order in [NameOrder::Journal, NameOrder::Independent] {
        let mut image = image(order);
        synced(&mut image, "a", b"old");
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let rules = CutRules::random(&mut random);
            assert_eq!(content(&image.cut(rules, &mut random), "a").unwrap(), b"old");
        }
    }
}

#[test]
fn a_file_without_a_synced_name_can_be_lost_with_its_content() {
    for (order, of_file) in [(NameOrder::Independent, None), (NameOrder::Journal, Some(b"x".to_vec()))] {
        let mut image = image(order);
        let file = image.create(ROOT, "a".as_ref(), 0o600).unwrap();
        image.write(file, 0, b"x").unwrap();
        image.sync(file).unwrap();
        // A journal writes the name with the first sync of anything.
        assert_eq!(content(&image.cut(CutRules::LOSE_ALL, &mut Random::new(1)), "a"), of_file);
        image.sync(ROOT).unwrap();
        assert_eq!(content(&image.cut(CutRules::LOSE_ALL, &mut Random::new(1)), "a").unwrap(), b"x");
    }
}

#[test]
fn unsynced_writes_are_torn_at_sectors() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", &[1; 1024]);
    image.write(file, 256, &[2; 768]).unwrap();
    let contents = survivors(&image, "a", rules(DataLoss::Tail, 4));
    let parts = |first: u8, second: u8| Some([[1; 256], [first; 256], [second; 256], [second; 256]].concat());
    assert_eq!(contents, [parts(1, 1), parts(1, 2), parts(2, 1), parts(2, 2)].into());
}

#[test]
fn a_later_write_can_survive_an_earlier_one() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", b"");
    image.write(file, 0, &[1; 512]).unwrap();
    image.write(file, 512, &[2; 512]).unwrap();
    let zeros_first = Some([[0; 512], [2; 512]].concat());
    assert!(survivors(&image, "a", rules(DataLoss::Scattered, 4)).contains(&zeros_first));
    assert!(!survivors(&image, "a", rules(DataLoss::Tail, 4)).contains(&zeros_first));
}

#[test]
fn the_length_can_survive_without_the_data() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", b"");
    image.write(file, 0, &[1; 100]).unwrap();
    let contents = survivors(&image, "a", rules(DataLoss::Scattered, 4));
    assert_eq!(contents, [Some(vec![]), Some(vec![0; 100]), Some(vec![1; 100])].into());
}

#[test]
fn a_truncation_that_is_lost_in_a_journal_takes_later_writes_with_it() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", &[1; 600]);
    image.set_length(file, 0).unwrap();
    image.write(file, 0, &[2; 100]).unwrap();
    let contents = survivors(&image, "a", rules(DataLoss::Scattered, 4));
    let mixed = Some([vec![2; 100], vec![1; 500]].concat());
    assert!(contents.contains(&Some(vec![1; 600])) && contents.contains(&Some(vec![])));
    assert!(!contents.contains(&mixed));
    image.set_order(NameOrder::Independent);
    assert!(survivors(&image, "a", rules(DataLoss::Scattered, 4)).contains(&mixed));
}

#[test]
fn an_unsynced_rename_leaves_the_old_file_or_the_new_one() {
    for order in [NameOrder::Journal, NameOrder::Independent] {
        let mut image = image(order);
        synced(&mut image, "a", b"old");
        let new = image.create(ROOT, "a.new".as_ref(), 0o600).unwrap();
        image.write(new, 0, b"new").unwrap();
        image.sync(new).unwrap();
        image.rename((ROOT, "a.new".as_ref()), (ROOT, "a".as_ref())).unwrap();
        let contents = survivors(&image, "a", rules(DataLoss::All, 2));
        assert_eq!(contents, [Some(b"old".to_vec()), Some(b"new".to_vec())].into());
        image.sync(ROOT).unwrap();
        assert_eq!(survivors(&image, "a", CutRules::LOSE_ALL), [Some(b"new".to_vec())].into());
        assert!(image.find("a.new").is_err());
    }
}

#[test]
fn a_rename_without_a_sync_of_the_content_can_leave_an_empty_file() {
    let mut image = image(NameOrder::Journal);
    synced(&mut image, "a", b"old");
    let new = image.create(ROOT, "a.new".as_ref(), 0o600).unwrap();
    image.write(new, 0, b"new").unwrap();
    image.rename((ROOT, "a.new".as_ref()), (ROOT, "a".as_ref())).unwrap();
    image.sync(ROOT).unwrap();
    assert_eq!(survivors(&image, "a", CutRules::LOSE_ALL), [Some(vec![])].into());
}

#[test]
fn names_survive_in_order_only_in_a_journal() {
    for (order, is_independent) in [(NameOrder::Journal, false), (NameOrder::Independent, true)] {
        let mut image = image(order);
        image.create(ROOT, "a".as_ref(), 0o600).unwrap();
        image.create(ROOT, "b".as_ref(), 0o600).unwrap();
        let is_second_alone = |seed| {
            let cut = image.cut(rules(DataLoss::All, 2), &mut Random::new(seed));
            cut.find("b").is_ok() && cut.find("a").is_err()
        };
        assert_eq!((0..100).any(is_second_alone), is_independent);
    }
}

#[test]
fn a_directory_is_lost_with_all_in_it_unless_it_is_synced() {
    let mut image = image(NameOrder::Independent);
    let inner = image.make_directory(ROOT, "d".as_ref(), 0o700).unwrap();
    let file = image.create(inner, "f".as_ref(), 0o600).unwrap();
    image.sync(file).unwrap();
    assert!(image.cut(CutRules::LOSE_ALL, &mut Random::new(1)).find("d").is_err());
    image.sync(inner).unwrap();
    assert!(image.cut(CutRules::LOSE_ALL, &mut Random::new(1)).find("d/f").is_ok());
}

#[test]
fn a_removal_can_be_undone_by_a_cut() {
    let mut image = image(NameOrder::Independent);
    synced(&mut image, "a", b"x");
    image.unlink(ROOT, "a".as_ref()).unwrap();
    assert_eq!(survivors(&image, "a", CutRules::LOSE_ALL), [Some(b"x".to_vec())].into());
    image.sync(ROOT).unwrap();
    assert_eq!(survivors(&image, "a", CutRules::LOSE_ALL), [None].into());
}

#[test]
fn an_open_file_without_a_name_can_be_read_and_takes_no_room() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", b"x");
    image.unlink(ROOT, "a".as_ref()).unwrap();
    assert_eq!(image.read(file, 0, 9).unwrap(), b"x");
    assert_eq!((image.attributes(file).unwrap().links, image.space().1), (0, 0));
}

#[test]
fn a_failed_sync_loses_changes_that_no_later_sync_writes() {
    let mut lost = 0;
    for seed in 0..50 {
        let mut image = image(NameOrder::Journal);
        let file = synced(&mut image, "a", b"old");
        image.write(file, 0, b"new").unwrap();
        image.fail_sync(file, false, &mut Random::new(seed));
        assert_eq!(image.read(file, 0, 9).unwrap(), b"new", "the page cache still has it");
        image.sync(file).unwrap();
        let survivor = content(&image.cut(CutRules::LOSE_ALL, &mut Random::new(1)), "a").unwrap();
        lost += usize::from(survivor == b"old");
    }
    assert!(lost > 0, "no seed lost anything");
}

#[test]
fn a_full_disk_refuses_writes_and_reservations() {
    let mut image = Image::new(8192, NameOrder::Journal);
    let file = image.create(ROOT, "a".as_ref(), 0o600).unwrap();
    image.allocate(file, 8192, false).unwrap();
    assert_eq!(image.attributes(file).unwrap().length, 8192);
    image.write(file, 0, &[1; 8192]).unwrap();
    assert_eq!(image.write(file, 8192, b"x"), Err(Failure::NoSpace));
    let other = image.create(ROOT, "b".as_ref(), 0o600).unwrap();
    assert_eq!(image.allocate(other, 1, true), Err(Failure::NoSpace));
    image.unlink(ROOT, "a".as_ref()).unwrap();
    image.write(other, 0, b"x").unwrap();
}

#[test]
fn hard_links_share_their_content() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", b"x");
    image.link(file, ROOT, "b".as_ref()).unwrap();
    assert_eq!(image.link(file, ROOT, "b".as_ref()), Err(Failure::Exists));
    image.unlink(ROOT, "a".as_ref()).unwrap();
    image.sync(ROOT).unwrap();
    let cut = image.cut(CutRules::LOSE_ALL, &mut Random::new(1));
    assert_eq!((content(&cut, "a"), content(&cut, "b")), (None, Some(b"x".to_vec())));
    assert_eq!(cut.attributes(file).unwrap().links, 1);
}

#[test]
fn directories_are_removed_and_replaced_only_when_empty() {
    let mut image = image(NameOrder::Journal);
    let inner = image.make_directory(ROOT, "d".as_ref(), 0o700).unwrap();
    image.create(inner, "f".as_ref(), 0o600).unwrap();
    image.make_directory(ROOT, "e".as_ref(), 0o700).unwrap();
    assert_eq!(image.remove_directory(ROOT, "d".as_ref()), Err(Failure::NotEmpty));
    assert_eq!(image.rename((ROOT, "e".as_ref()), (ROOT, "d".as_ref())), Err(Failure::NotEmpty));
    image.rename((ROOT, "d".as_ref()), (ROOT, "e".as_ref())).unwrap();
    assert_eq!(image.path(image.find("e/f").unwrap()).to_str(), Some("e/f"));
}

#[test]
fn a_flipped_bit_is_durable() {
    let mut image = image(NameOrder::Journal);
    let file = synced(&mut image, "a", b"aa");
    image.flip(file, 1, 1).unwrap();
    let cut = image.cut(CutRules::LOSE_ALL, &mut Random::new(1));
    assert_eq!(
        (content(&image, "a").unwrap(), content(&cut, "a").unwrap()),
        (b"ac".to_vec(), b"ac".to_vec())
    );
}

#[test]
fn a_lying_disk_syncs_nothing() {
    let mut image = image(NameOrder::Journal);
    image.set_lying();
    synced(&mut image, "a", b"x");
    assert_eq!(content(&image, "a").unwrap(), b"x");
    let mut cut = image.cut(CutRules::LOSE_ALL, &mut Random::new(1));
    assert_eq!(content(&cut, "a"), None);
    synced(&mut cut, "a", b"x");
    assert!(content(&cut.cut(CutRules::LOSE_ALL, &mut Random::new(1)), "a").is_some(), "it is honest again");
}
