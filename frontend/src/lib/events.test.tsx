import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Source } from '../test-source';
import { useEvents } from './events';

beforeEach(() => {
  vi.useFakeTimers();
  Source.all = [];
  vi.stubGlobal('EventSource', Source);
});
afterEach(() => vi.useRealTimers());

describe('a stream of events', () => {
  it('is live while events come, stale when they stop, and live again', () => {
    const heard = vi.fn();
    const { result } = renderHook(() => useEvents('/metrics/live', { sample: heard }, 5_000));
    expect(result.current).toBe('connecting');
    act(() => Source.all[0]?.heard.sample?.({ data: '{"cpu": 1}' }));
    expect(heard).toHaveBeenCalledWith({ cpu: 1 });
    expect(result.current).toBe('live');
    act(() => void vi.advanceTimersByTime(5_001));
    expect(result.current).toBe('stale');
    act(() => Source.all[0]?.heard.sample?.({ data: '{}' }));
    expect(result.current).toBe('live');
  });

  it('that the browser gave up is opened again, not faster than after 2 s', () => {
    renderHook(() => useEvents('/x', { line: () => undefined }));
    const [first] = Source.all;
    act(() => {
      if (first) first.readyState = 2;
      first?.onerror();
    });
    act(() => void vi.advanceTimersByTime(1_900));
    expect(Source.all).toHaveLength(1);
    act(() => void vi.advanceTimersByTime(200));
    expect(Source.all).toHaveLength(2);
  });

  it('is closed by its end, and by a page that is left', () => {
    const { unmount } = renderHook(() => useEvents('/train/1/events', { end: () => undefined }));
    act(() => Source.all[0]?.heard.end?.({ data: '{"status": "finished"}' }));
    expect(Source.all[0]?.readyState).toBe(2);
    unmount();
    const other = renderHook(() => useEvents('/y', { line: () => undefined }));
    other.unmount();
    expect(Source.all[1]?.readyState).toBe(2);
  });
});
