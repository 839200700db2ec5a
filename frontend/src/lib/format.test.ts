import { describe, expect, it } from 'vitest';
import { formats, localeOf } from './format';

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

describe('the locale', () => {
  it('is the reader’s own of the chosen language, else the language', () => {
    expect(localeOf('en', ['es-MX', 'en-GB', 'en-US'])).toBe('en-GB');
    expect(localeOf('es', ['en-GB', 'est'])).toBe('es');
    const noon = '2026-11-29T12:00:00Z';
    expect(formats('en-GB').day(noon)).toBe('29 Nov 2026');
    expect(formats('en-US').day(noon)).toBe('Nov 29, 2026');
  });
});
