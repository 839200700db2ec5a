import { act, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Source } from '../test-source';
import { LiveProvider, useLive } from './live';

beforeEach(() => {
  vi.useFakeTimers();
  Source.all = [];
  vi.stubGlobal('EventSource', Source);
});
afterEach(() => vi.useRealTimers());

describe('live samples', () => {
  it('are all kept, and drawn at most once a second, the newest too', () => {
    let drawn = 0;
    function Page() {
      const { sample, history } = useLive();
      drawn += 1;
      return <p>{`${sample?.at ?? 'none'} of ${history.length}`}</p>;
    }
    render(
      <LiveProvider>
        <Page />
      </LiveProvider>,
    );
    drawn = 0;
    for (let n = 1; n <= 100; n += 1) {
      act(() => {
        Source.all[0]?.heard.sample?.({ data: JSON.stringify({ at: String(n) }) });
        vi.advanceTimersByTime(100);
      });
    }
    expect(drawn).toBeGreaterThanOrEqual(9);
    expect(drawn).toBeLessThanOrEqual(11);
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByText('100 of 100')).toBeDefined();
  });
});
