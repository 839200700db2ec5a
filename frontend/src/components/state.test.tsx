import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../lib/api';
import { Problem } from './state';

const shown = (fault: unknown) =>
  render(
    <MantineProvider>
      <Problem fault={fault} />
    </MantineProvider>,
  );

describe('a problem', () => {
  it('is told in the reader’s own words where the services name a known one, with what they said', () => {
    shown(new ApiError(503, 'no-model', 'No model can answer: none is trained yet.'));
    expect(screen.getByText(/train one on the Training page/)).toBeInTheDocument();
    expect(screen.getByText(/none is trained yet/)).toHaveAttribute('lang', 'en');
  });

  it('that is not known is told by its kind', () => {
    shown(new ApiError(503, 'new-one', 'detail'));
    expect(screen.getByText(/What is missing, and what to do, stands below/)).toBeInTheDocument();
  });

  it('of the network is told as such', () => {
    shown(new ApiError(0, 'offline', 'TypeError'));
    expect(screen.getByText(/The services do not answer|services do not/i)).toBeInTheDocument();
    expect(screen.queryByText('TypeError')).toBeNull();
  });
});
