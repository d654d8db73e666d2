import type { Namespace } from '@webpush-server/dev';
import type { Browser, LaunchOptions } from 'puppeteer-core';

export * from '@webpush-server/dev/page';

/** Starts Chromium or stock Firefox with the push service of `push`: a `DevServer` or a namespace of it. */
export function launch(options: LaunchOptions & { push: Namespace }): Promise<Browser>;
