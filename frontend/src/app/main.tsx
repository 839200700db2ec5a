import '@mantine/core/styles.css';
import './app.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../lib/i18n';
import { ApiError } from '../lib/api';
import { App } from './app';
import { theme } from './theme';

const cache = new QueryClient({
  defaultOptions: {
    queries: {
      // What was refused will be refused again; what was not reached may be there a moment later.
      retry: (failures, fault) => failures < 2 && !(fault instanceof ApiError && fault.status >= 400 && fault.status < 500),
      refetchOnWindowFocus: false,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={cache}>
          <App />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
