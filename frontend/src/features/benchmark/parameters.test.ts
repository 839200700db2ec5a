import { describe, expect, it } from 'vitest';
import { fromText, rowsToCsv, toText } from './parameters';

describe('parameters', () => {
  it('are the same after they were written and read', () => {
    for (const value of [30, 0.5, true, null, 'threads', [1, 2, 4], ['hgb-small', 'extra-20']]) expect(fromText(toText(value))).toEqual(value);
  });
  it('of one element are a list where the default is one, or a comma says so', () => {
    expect(fromText('2', true)).toEqual([2]);
    expect(fromText('hgb-small,')).toEqual(['hgb-small']);
    expect(fromText('', true)).toBeNull();
  });
});

describe('a speedup table', () => {
  it('is written with points whatever the language', () => {
    const row = { n_workers: 2, sequential_s: 10, parallel_s: 5.5, speedup: 1.75, efficiency: 0.875, throughput_rows_s: 100, spread: { low: 1.7, high: 1.8, kind: 'range', coverage: null }, limit_speedup: null, limit_fraction: null, marks: ['SMT', 'load'] };
    expect(rowsToCsv([row]).split('\r\n')[1]).toBe('2,10,5.5,1.75,0.875,100,1.7,1.8,,,SMT load');
  });
});
