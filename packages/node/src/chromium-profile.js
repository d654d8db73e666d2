// A profile of Chromium that may show notifications, so that nobody has to click "Allow".

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `CONTENT_SETTING_ALLOW` of Chromium. */
const ALLOW = 1;

/**
 * Writes the preferences of a new profile; leaves an existing one alone. A permission that is granted by the DevTools
 * protocol is gone at the next start, when stored messages arrive before anything could grant it again.
 *
 * @param {string} directory
 * @returns {string} the directory
 */
export function prepareChromiumProfile(directory) {
  const file = join(directory, 'Default', 'Preferences');
  if (existsSync(file)) return directory;
  mkdirSync(join(directory, 'Default'), { recursive: true });
  writeFileSync(file, JSON.stringify({ profile: { default_content_setting_values: { notifications: ALLOW } } }));
  return directory;
}
