import { describe, expect, it } from 'vitest';
import { formats } from './format';

describe('numbers', () => {
  it('are written as the language does, the same number in each', () => {
    expect(formats('en').number(12345.678)).toBe('12,345.68');
    expect(formats('es').number(12345.678)).toBe('12.345,68');
    expect(formats('es').number(1234, 0)).toBe('1.234');
    expect(formats('en').bytes(1_500_000)).toBe('1.5 MB');
    expect(formats('en').bytes(999)).toBe('999 B');
  });
  it('that are not there are a dash, never a zero', () => {
    for (const nothing of [null, undefined, Number.NaN]) expect(formats('en').number(nothing)).toBe('–');
    expect(formats('en').percent(null)).toBe('–');
    expect(formats('en').when(null)).toBe('–');
  });
});
