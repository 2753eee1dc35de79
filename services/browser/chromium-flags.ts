/** What Chromium would otherwise do of itself: ask home, fetch parts, show bars, slow down what is not looked at. */
const disabledFeatures = [
  'AimEnabled',
  'AutofillServerCommunication',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'CertificateTransparencyComponentUpdater',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'Translate',
]

const quietFlags = [
  '--disable-background-networking',
  '--disable-background-timer-throttling',
  '--disable-back-forward-cache',
  '--disable-backgrounding-occluded-windows',
  '--disable-breakpad',
  '--disable-client-side-phishing-detection',
  '--disable-component-extensions-with-background-pages',
  '--disable-component-update',
  '--disable-crash-reporter',
  '--disable-default-apps',
  '--disable-dev-shm-usage',
  '--disable-domain-reliability',
  '--disable-extensions',
  `--disable-features=${disabledFeatures.join(',')}`,
  '--disable-field-trial-config',
  '--disable-hang-monitor',
  '--disable-infobars',
  '--disable-popup-blocking',
  '--disable-prompt-on-repost',
  '--disable-renderer-backgrounding',
  '--disable-search-engine-choice-screen',
  '--disable-sync',
  '--enable-features=CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies',
  '--force-color-profile=srgb',
  '--metrics-recording-only',
  '--no-default-browser-check',
  '--no-first-run',
  '--no-pings',
  '--no-service-autorun',
  '--no-startup-window',
  '--password-store=basic',
  '--use-mock-keychain',
]

/** What would go past a proxy. Nothing but the guard has an address: a name that reached the resolver is not found. */
const confiningFlags = [
  '--disable-quic',
  '--dns-prefetch-disable',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  '--proxy-bypass-list=<-loopback>',
]

/** Nobody is there to answer. */
const silentFlags = ['--deny-permission-prompts', '--noerrdialogs']

/** Of the objects of a page's scripts, in MiB. */
const maxHeapMib = 1_024

const headlessFlags = [
  '--headless=new',
  '--hide-scrollbars',
  '--mute-audio',
  '--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4',
]

export interface FlagChoice {
  headless: boolean
  /** Where Chromium keeps what it needs while it runs. */
  userDataDir: string
  /** The guard of what belongs to no session. */
  proxy: string
  /** Where others may reach this browser; 0 for nowhere. */
  cdpPort: number
}

export function chromiumFlags({ headless, userDataDir, proxy, cdpPort }: FlagChoice): string[] {
  return [
    ...quietFlags,
    ...confiningFlags,
    ...silentFlags,
    `--js-flags=--max-old-space-size=${maxHeapMib}`,
    ...(headless ? headlessFlags : []),
    // Chromium does not sandbox itself for the administrator, and does not start then without being told.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ...(cdpPort > 0 ? [`--remote-debugging-port=${cdpPort}`] : []),
    `--proxy-server=${proxy}`,
    `--user-data-dir=${userDataDir}`,
    '--remote-debugging-pipe',
  ]
}
