import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { queries } from '../../lib/queries';
import { ReportButton } from './report-button';

const shown = (scopes: string[]) => {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } });
  client.setQueryData(queries.session.queryKey, { name: 'x', scopes, lab_mode: false } as never);
  render(
    <QueryClientProvider client={client}>
      <MantineProvider>
        <ReportButton run="20261128-134049-52d3" />
      </MantineProvider>
    </QueryClientProvider>,
  );
};

describe('the report of a run', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('is asked for in the format that was chosen, and a refusal is told', async () => {
    const asked = vi.fn((request: Request) => {
      void request;
      return Promise.resolve(new Response(JSON.stringify({ detail: 'no table', code: 'unknown-name' }), { status: 404, headers: { 'content-type': 'application/problem+json' } }));
    });
    vi.stubGlobal('fetch', asked);
    shown(['read', 'operate']);
    fireEvent.click(screen.getByRole('button', { name: /HTML/ }));
    expect(await screen.findByText(/could not be written: no table/)).toBeInTheDocument();
    const request = asked.mock.calls[0]?.[0] as Request;
    const url = new URL(request.url);
    expect(url.pathname).toMatch(/\/benchmark\/20261128-134049-52d3\/report$/);
    expect(url.searchParams.get('format')).toBe('html');
    expect(request.method).toBe('POST');
  });

  it('is not for a token that may only read', () => {
    shown(['read']);
    for (const button of screen.getAllByRole('button')) expect(button).toBeDisabled();
  });
});
