import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test',
  outputDir: process.env.TEST_OUTPUT ?? 'test-results',
  reporter: 'line',
  fullyParallel: true,
  workers: 2,
  // A browser may start slowly while another one does.
  timeout: 90_000,
  use: { pushOptions: { launch: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' } } },
});
