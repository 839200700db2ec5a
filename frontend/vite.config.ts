/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// In development the pages come from port 3000, and what they ask for from the services: the paths of the API's file.
const services = process.env.LABKIT_URL ?? 'http://127.0.0.1:8000';
const paths = '^/(session|health|predict|predictions|models|schema|flights|train|recipes|notebooks|benchmark|metrics|logs|cluster|runs|login|docs)';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: { outDir: 'dist', chunkSizeWarningLimit: 600, modulePreload: { polyfill: false } },
  server: { proxy: { [paths]: { target: services, changeOrigin: true } } },
  test: { environment: 'jsdom', setupFiles: 'src/test-setup.ts', include: ['src/**/*.test.{ts,tsx}'] },
});
