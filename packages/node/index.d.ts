/** The first line of `webpush-server dev`. */
export interface Ready {
  origin: string;
  ws: string;
  https: string;
  /** File with the certificate authority of this run. */
  ca: string;
  proxy: string;
  mcs: string;
  control: string;
  firefox_prefs: Record<string, string | number | boolean>;
  chromium_args: string[];
  env: Record<string, string>;
  version: string;
  pid: number;
}

export type Service = 'local' | 'https' | 'fcm' | 'mozilla' | 'apple' | 'wns';
export type Acknowledgment = 'delivered' | 'decryption-failed' | 'not-displayed' | 'never';
export type MessageState =
  | 'accepted'
  | 'delivered'
  | 'refused'
  | 'lost'
  | 'expired'
  | 'replaced'
  | 'canceled'
  | 'dropped';

/** Duration as text: `"500ms"`, `"5s"`, `"25h"`, `"30d"`. */
export type Duration = string;

/** A subscription of the control API. That of a virtual agent is also valid `PushSubscription` JSON. */
export interface Subscription {
  id: string;
  namespace: string;
  virtual: boolean;
  name: string | null;
  service: Service;
  endpoint: string;
  expirationTime: null;
  /** Null for a browser's: only the browser has them. */
  keys: { p256dh: string; auth: string } | null;
  online: boolean | null;
  acknowledge: Acknowledgment | null;
  state: 'active' | 'gone';
}

export interface VirtualSubscription extends Subscription {
  virtual: true;
  keys: { p256dh: string; auth: string };
  online: boolean;
  acknowledge: Acknowledgment;
}

/** An id, an endpoint, or anything with one of the two: also the `PushSubscription` JSON of a browser. */
export type SubscriptionRef = string | { id: string } | { endpoint?: string };

export interface Message {
  id: string;
  number: number;
  namespace: string;
  subscription: string | null;
  service: Service;
  endpoint: string;
  sent: string;
  status: number;
  /** Why it was refused. */
  problem: string | null;
  state: MessageState;
  delivered: string | null;
  acknowledged: string | null;
  /** How often it was delivered: twice after the fault `duplicate`. */
  deliveries: number;
  ttl: number;
  urgency: string;
  topic: string | null;
  encoding: string | null;
  headers: Record<string, string>;
  vapid: { aud: string; sub?: string; exp: number; key: string } | null;
  size: number;
  /** Encrypted, base64url. */
  body: string;
  /** Decrypted; null for a browser's subscription, whose keys only the browser has. */
  text: string | null;
  json: unknown;
  decryption: string | null;
  fault: string | null;
}

export interface Fault {
  id: string;
  namespace: string;
  subscription?: string;
  key?: string;
  service?: Service;
  topic?: string;
  times: number | null;
  status?: number;
  retryAfter?: number;
  delay?: Duration;
  outcome?: 'lost' | 'duplicate' | 'reorder';
  used: number;
}

export interface FaultOptions {
  subscription?: SubscriptionRef;
  /** Application server key. */
  key?: string;
  service?: Service;
  topic?: string;
  /** Default 1; null until it is removed. */
  times?: number | null;
  status?: number;
  /** In seconds. */
  retryAfter?: number;
  delay?: Duration;
  outcome?: 'lost' | 'duplicate' | 'reorder';
}

export interface MessageFilter {
  subscription?: SubscriptionRef;
  topic?: string;
  urgency?: string;
  /** Part of the decrypted text: virtual agents only. */
  text?: string;
  state?: MessageState;
  /** `number` of a message: only later ones. */
  after?: number;
}

export interface WaitOptions extends MessageFilter {
  /** In ms; default 15,000: Chromium connects 3 s after its start. */
  timeout?: number;
}

export interface ProxyReport {
  forwarded: number;
  refused: { host: string; port: number; method: string; count: number }[];
}

export interface SubscribeOptions {
  applicationServerKey?: string;
  userVisibleOnly?: boolean;
  /** Decides the endpoint's URL; default `https`. */
  service?: Service;
  name?: string;
}

/** The subscriptions, messages and faults of one test. */
export class Namespace {
  readonly base: string;
  readonly ready: Ready;
  /** Variables that make an application send through the proxy. */
  readonly env: Record<string, string>;
  /**
   * Sends the https requests and fetches of this process through the proxy, for an application that runs in it.
   * Requests with an agent or dispatcher of their own do not change. Returns a function that ends this.
   */
  installProxy(): () => void;
  readonly chromiumArgs: string[];
  readonly firefoxPrefs: Record<string, string | number | boolean>;

  /** Creates a virtual user agent with one subscription. */
  subscribe(options?: SubscribeOptions): Promise<VirtualSubscription>;
  /** Puts a browser's subscription, or its endpoint, into this namespace. */
  adopt(subscription: string | { endpoint?: string }, options?: { name?: string }): Promise<Subscription>;
  subscriptions(): Promise<Subscription[]>;
  subscription(subscription: SubscriptionRef): Promise<Subscription>;

  messages(filter?: MessageFilter & { limit?: number }): Promise<Message[]>;
  message(id: string): Promise<Message>;
  /**
   * Waits for a message, also one that arrived before the call. `state` defaults to `delivered`.
   * Rejects with `WaitTimeoutError`, which lists what arrived instead.
   */
  waitForMessage(options?: WaitOptions): Promise<Message>;
  waitForMessages(count: number, options?: WaitOptions): Promise<Message[]>;
  clearMessages(): Promise<void>;

  /** Makes the next sends to a subscription fail, or all of this namespace if it is null. */
  fail(
    subscription: SubscriptionRef | null,
    options: { status: number; times?: number | null; retryAfter?: number; topic?: string },
  ): Promise<Fault>;
  fault(options: FaultOptions): Promise<Fault>;
  faults(): Promise<Fault[]>;
  clearFaults(): Promise<void>;

  /** Takes a virtual agent offline. Close a browser instead. */
  offline(subscription: SubscriptionRef): Promise<VirtualSubscription>;
  /** Takes all virtual agents of this namespace offline. */
  offline(): Promise<void>;
  online(subscription: SubscriptionRef): Promise<VirtualSubscription>;
  online(): Promise<void>;
  /** Sets with which code a virtual agent acknowledges. */
  acknowledge(subscription: SubscriptionRef, code: Acknowledgment): Promise<VirtualSubscription>;
  expire(subscription: SubscriptionRef): Promise<void>;
  rotate(subscription: SubscriptionRef): Promise<VirtualSubscription | Record<string, never>>;

  /** Advances the clock of the whole server, for all namespaces. */
  advance(duration: Duration): Promise<{ now: string; advanced: Duration }>;
  clock(): Promise<{ now: string; advanced: Duration }>;
  proxyReport(): Promise<ProxyReport>;
  /** Removes what belongs to this namespace; on a `DevServer`, everything, and sets the clock back. */
  reset(): Promise<void>;
}

export class DevServer extends Namespace {
  /** True if `webpush-server dev -- COMMAND` runs this process: `stop` leaves that server alone. */
  readonly attached: boolean;
  namespace(name: string): Namespace;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Path of the program; default: `WEBPUSH_DEV_BINARY`, the package for this platform, `PATH`. */
  binary?: string;
  /** Further flags of `webpush-server dev`. */
  args?: string[];
  /** Default true: use the server of `webpush-server dev -- COMMAND`, if that runs this process. */
  attach?: boolean;
  /** Time until it must be ready, in ms; default 10,000. */
  timeout?: number;
  /** Receives each line of the server's log. */
  onLog?: (line: string) => void;
}

export function start(options?: StartOptions): Promise<DevServer>;
export function findProgram(binary?: string): string;
/** Writes the preferences of a new Chromium profile that may show notifications; returns the directory. */
export function prepareChromiumProfile(directory: string): string;

export class ControlError extends Error {
  readonly status: number;
}
export class WaitTimeoutError extends Error {}
