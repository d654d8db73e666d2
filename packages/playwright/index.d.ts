import type { BrowserContext, Expect, LaunchOptions, Page, TestType } from '@playwright/test';
import type {
  PlaywrightTestArgs,
  PlaywrightTestOptions,
  PlaywrightWorkerArgs,
  PlaywrightWorkerOptions,
} from '@playwright/test';
import type {
  DevServer,
  MessageFilter,
  Namespace,
  StartOptions,
  SubscribeOptions,
  VirtualSubscription,
} from '@webpush-server/dev';
import type { AdoptedSubscription, PageSubscribeOptions, ShownNotification } from '@webpush-server/dev/page';

export type { AdoptedSubscription, PageSubscribeOptions, ShownNotification };

type PersistentContextOptions = NonNullable<
  Parameters<import('@playwright/test').BrowserType['launchPersistentContext']>[1]
>;

/** The `push` fixture: a namespace of the server, and browsers that use it. */
export class Push extends Namespace {
  readonly server: DevServer;
  /** Opens Chromium with a new profile, or that of `userDataDir`; it is closed at the end of the test. */
  context(options?: PersistentContextOptions & { userDataDir?: string }): Promise<BrowserContext>;
  /** Closes a context and opens it again with the same profile; `between` runs while the browser is closed. */
  restart(context: BrowserContext, between?: () => unknown): Promise<BrowserContext>;
  /** Subscribes a page, and adopts the subscription. */
  subscribe(page: Page, options: PageSubscribeOptions): Promise<AdoptedSubscription>;
  /** Creates a virtual user agent. */
  subscribe(options?: SubscribeOptions): Promise<VirtualSubscription>;
  /** Adopts the subscription that a page has made itself. */
  subscriptionOf(page: Page): Promise<AdoptedSubscription | null>;
  /** Waits until the page's service worker shows a notification whose title or body contains `text`. */
  waitForNotification(page: Page, options?: { text?: string; timeout?: number }): Promise<ShownNotification>;
}

export interface PushWorkerOptions {
  pushOptions: {
    /** Options of `start` of `@webpush-server/dev`. */
    server?: StartOptions;
    /** For every browser: `executablePath`, `channel`, `args` … */
    launch?: LaunchOptions;
  };
}

export interface PushWorkerFixtures {
  pushServer: DevServer;
}

export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & { push: Push },
  PlaywrightWorkerArgs & PlaywrightWorkerOptions & PushWorkerOptions & PushWorkerFixtures
>;

export const expect: Expect<{
  /** Waits until a message that matches is delivered, for 15 s or the longer `timeout` of `expect`; with `not`, looks once. */
  toHaveDelivered(this: void, push: Namespace, filter?: MessageFilter, options?: { timeout?: number }): Promise<void>;
}>;
