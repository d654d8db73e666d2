import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test',
  outputDir: process.env.TEST_OUTPUT ?? 'test-results',
  reporter: 'line',
  fullyParallel: true,
  workers: 2,
  use: { pushOptions: { launch: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' } } },
});
