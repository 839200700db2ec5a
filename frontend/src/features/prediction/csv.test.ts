import { describe, expect, it } from 'vitest';
import { parseCsv, toCsv, toFlight } from './csv';

describe('a CSV file', () => {
  it('is read with quotes, line breaks within them, a byte order mark and either line end', () => {
    expect(parseCsv('\uFEFFa,b\r\n"x, ""y""",2\r\n"two\nlines",\n\n')).toEqual([
      { a: 'x, "y"', b: '2' },
      { a: 'two\nlines', b: '' },
    ]);
  });
  it('may have semicolons, as spreadsheets of most of Europe write it', () => {
    expect(parseCsv('a;b\n1;2')).toEqual([{ a: '1', b: '2' }]);
  });
  it('of nothing, or of a head alone, has no rows', () => {
    expect(parseCsv('')).toEqual([]);
    expect(parseCsv('a,b\n')).toEqual([]);
  });
  it('is written so that no cell is a formula, and read again as it was', () => {
    const rows = [{ carrier: '=cmd()', probability: -0.5, error: 'a "b", c' }];
    expect(toCsv(rows)).toBe('carrier,probability,error\r\n\'=cmd(),-0.5,"a ""b"", c"\r\n');
    expect(parseCsv(toCsv([{ a: 'x\ny', b: 1 }]))).toEqual([{ a: 'x\ny', b: '1' }]);
  });
  it('becomes flights: numbers as numbers, empty cells and unknown columns left out, nonsense kept for the services to refuse', () => {
    const fields = [
      { name: 'carrier', type: 'text' },
      { name: 'sched_dep_time', type: 'clock' },
      { name: 'temp', type: 'float' },
    ];
    expect(toFlight({ carrier: 'UA', sched_dep_time: '0715', temp: '', other: 'x' }, fields)).toEqual({ carrier: 'UA', sched_dep_time: 715 });
    expect(toFlight({ sched_dep_time: 'noon', temp: 'NA' }, fields)).toEqual({ sched_dep_time: 'noon' });
  });
});
