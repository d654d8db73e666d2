// Finds the program: nothing is downloaded.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

const NAME = 'webpush-server';

/**
 * Returns the path of the program: `binary`, the variable `WEBPUSH_DEV_BINARY`, the package for this platform, or
 * what `PATH` has, in this order. Throws if there is none.
 *
 * @param {string} [binary]
 * @returns {string}
 */
export function findProgram(binary) {
  const named = binary ?? process.env.WEBPUSH_DEV_BINARY;
  if (named) {
    if (!existsSync(named)) {
      const source = binary ? 'the option `binary`' : 'WEBPUSH_DEV_BINARY';
      throw new Error(`${source} names ${named}, which does not exist`);
    }
    return named;
  }
  const found = fromPackage() ?? fromPath();
  if (!found) {
    throw new Error(
      `cannot find the program ${NAME}: install it so that it is on PATH, or set WEBPUSH_DEV_BINARY or the option ` +
        `\`binary\` to its path (there is no package @webpush-server/cli-${process.platform}-${process.arch} either)`,
    );
  }
  return found;
}

function fromPackage() {
  const require = createRequire(import.meta.url);
  try {
    return require.resolve(`@webpush-server/cli-${process.platform}-${process.arch}/bin/${NAME}`);
  } catch {
    return undefined;
  }
}

function fromPath() {
  const directories = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return directories.map((directory) => join(directory, NAME)).find((path) => existsSync(path));
}
