import '@testing-library/jest-dom/vitest';
import { cleanup } from '@testing-library/react';
import { afterEach, vi } from 'vitest';
import './lib/i18n';

afterEach(cleanup);

// What jsdom has not, and Mantine asks for.
Object.defineProperty(window, 'matchMedia', {
  value: (query: string) => ({ matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined, addListener: () => undefined, removeListener: () => undefined }),
});
vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
