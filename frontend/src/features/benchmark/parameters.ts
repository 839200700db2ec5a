import type { Row } from '../../components/speedup';

/** A parameter as a person writes it: lists with commas, nothing for null. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** What a person wrote as the services take it; they check it against the notebook's own type. A comma makes a list. */
export function fromText(text: string, list = false): unknown {
  const plain = text.trim();
  if (plain === '') return null;
  if (list || plain.includes(','))
    return plain
      .split(',')
      .filter((part) => part.trim() !== '')
      .map((part) => fromText(part));
  if (plain === 'true' || plain === 'True') return true;
  if (plain === 'false' || plain === 'False') return false;
  return Number.isNaN(Number(plain)) ? plain : Number(plain);
}

/** A speedup table as CSV, with points as decimal signs. */
export function rowsToCsv(rows: readonly Row[]): string {
  const heads = ['n_workers', 'sequential_s', 'parallel_s', 'speedup', 'efficiency', 'throughput_rows_s', 'spread_low', 'spread_high', 'limit_speedup', 'limit_fraction', 'marks'];
  const lines = rows.map((row) =>
    [row.n_workers, row.sequential_s, row.parallel_s, row.speedup, row.efficiency, row.throughput_rows_s, row.spread.low, row.spread.high, row.limit_speedup ?? '', row.limit_fraction ?? '', row.marks.join(' ')].join(','),
  );
  return [heads.join(','), ...lines].join('\r\n') + '\r\n';
}
