import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  outputDir: process.env.TEST_OUTPUT ?? 'results',
  reporter: 'line',
  timeout: 30_000,
  use: { pushOptions: { launch: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' } } },
});
