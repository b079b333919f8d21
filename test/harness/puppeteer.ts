// The part of Puppeteer that tests and pictures use. Its own types are not installed with the project's packages: see
// dev/packages/browsers. A function that runs in the page can use only its argument.

/** An element, for a function that runs in the page. */
export interface PageElement {
  readonly textContent: string | null;
  /** The part for an iframe. */
  readonly contentDocument?: { readonly body: PageElement } | null;
  readonly hidden: boolean;
  readonly ariaSort: string | null;
  /** The part for a time. */
  readonly dateTime: string;
  getAttribute(name: string): string | null;
}

export interface ElementHandle {
  evaluate<T>(read: (element: PageElement) => T): Promise<T>;
  boundingBox(): Promise<{ readonly width: number; readonly height: number } | null>;
  click(): Promise<void>;
}

/** A question that stops the page. */
export interface Dialog {
  message(): string;
  accept(): Promise<void>;
  dismiss(): Promise<void>;
}

export interface Page {
  readonly keyboard: {
    press(key: string): Promise<void>;
    type(text: string): Promise<void>;
  };
  goto(url: string): Promise<{ status(): number } | null>;
  url(): string;
  title(): Promise<string>;
  content(): Promise<string>;
  setContent(html: string): Promise<void>;
  /** Runs an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  evaluateOnNewDocument(script: string): Promise<unknown>;
  $(selector: string): Promise<ElementHandle | null>;
  $$(selector: string): Promise<ElementHandle[]>;
  $eval<T>(selector: string, read: (element: PageElement) => T): Promise<T>;
  $$eval<T>(selector: string, read: (elements: PageElement[]) => T): Promise<T>;
  click(selector: string): Promise<void>;
  type(selector: string, text: string): Promise<void>;
  locator(selector: string): { click(): Promise<void> };
  waitForSelector(selector: string): Promise<ElementHandle | null>;
  waitForNavigation(): Promise<unknown>;
  waitForFunction(expression: string): Promise<unknown>;
  on(event: 'dialog', listener: (dialog: Dialog) => void): unknown;
  once(event: 'dialog', listener: (dialog: Dialog) => void): unknown;
  bringToFront(): Promise<void>;
  setViewport(size: {
    readonly width: number;
    readonly height: number;
    readonly deviceScaleFactor?: number;
  }): Promise<void>;
  setExtraHTTPHeaders(headers: Readonly<Record<string, string>>): Promise<void>;
  setJavaScriptEnabled(enabled: boolean): Promise<void>;
  authenticate(user: { readonly username: string; readonly password: string }): Promise<void>;
  emulateMediaFeatures(
    features: ReadonlyArray<{ readonly name: string; readonly value: string }>,
  ): Promise<void>;
  emulateTimezone(timezone: string): Promise<void>;
  screenshot(options: {
    readonly encoding: 'base64';
    readonly fullPage?: boolean;
  }): Promise<string>;
  screenshot(options?: { readonly fullPage?: boolean }): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface BrowserContext {
  newPage(): Promise<Page>;
  pages(): Promise<Page[]>;
  close(): Promise<void>;
}

export interface Browser {
  newPage(): Promise<Page>;
  createBrowserContext(options: {
    readonly downloadBehavior: { readonly policy: 'allow'; readonly downloadPath: string };
  }): Promise<BrowserContext>;
  process(): { readonly pid?: number | undefined } | null;
  close(): Promise<void>;
}

export interface LaunchOptions {
  readonly browser?: 'chrome' | 'firefox';
  readonly args?: string[];
  readonly extraPrefsFirefox?: Readonly<Record<string, string | number | boolean>>;
  readonly executablePath?: string;
  readonly userDataDir?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly acceptInsecureCerts?: boolean;
  readonly timeout?: number;
}

export interface Puppeteer {
  launch(options: LaunchOptions): Promise<Browser>;
}
