import type { Namespace } from './index.js';

/** A page of Playwright or Puppeteer. */
export interface EvaluatingPage {
  evaluate(body: any, argument?: any): Promise<any>;
  url(): string;
}

/** `PushSubscription` JSON of a browser, with the id of the control API. */
export interface AdoptedSubscription {
  id: string;
  endpoint: string;
  expirationTime?: number | null;
  keys: { p256dh: string; auth: string };
}

export interface PageSubscribeOptions {
  /** Base64url. */
  applicationServerKey: string;
  /** URL of a service worker to register first. */
  serviceWorker?: string;
  userVisibleOnly?: boolean;
}

export interface ShownNotification {
  title: string;
  body: string;
  tag: string;
}

/** Subscribes a page, and adopts the subscription. */
export function subscribe(
  page: EvaluatingPage,
  options: PageSubscribeOptions & { push: Namespace },
): Promise<AdoptedSubscription>;

/** Adopts the subscription that a page has made itself. */
export function subscriptionOf(
  page: EvaluatingPage,
  options: { push: Namespace },
): Promise<AdoptedSubscription | null>;

/** Lets Chromium record notifications from now on: `waitForNotification` reads them. The packages do it. */
export function recordNotifications(page: EvaluatingPage): Promise<void>;

/** Waits until the page's service worker shows a notification whose title or body contains `text`. */
export function waitForNotification(
  page: EvaluatingPage,
  options?: { text?: string; timeout?: number },
): Promise<ShownNotification>;
