import { act, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveProvider, useLive } from './live';

let hear: (sample: unknown) => void = () => undefined;

vi.mock('./events', () => ({
  useEvents: (_: string, heard: { sample: (found: unknown) => void }) => {
    hear = heard.sample;
    return 'live';
  },
}));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('live samples', () => {
  it('are all kept, and drawn at most once a second, the newest too', () => {
    let drawn = 0;
    function Page() {
      const { sample, history } = useLive();
      drawn += 1;
      return <p>{`${sample?.at ?? 'none'} of ${history.length}`}</p>;
    }
    render(
      <LiveProvider path={null}>
        <Page />
      </LiveProvider>,
    );
    drawn = 0;
    for (let n = 1; n <= 100; n += 1) {
      act(() => {
        hear({ at: String(n) });
        vi.advanceTimersByTime(100);
      });
    }
    expect(drawn).toBeGreaterThanOrEqual(9);
    expect(drawn).toBeLessThanOrEqual(11);
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByText('100 of 100')).toBeDefined();
  });
});
