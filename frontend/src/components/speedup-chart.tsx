import { useTranslation } from 'react-i18next';
import { CartesianGrid, ErrorBar, Legend, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { useFormats } from '../lib/format';
import type { Curve, Row } from './speedup';

const COLOURS = ['var(--series-1)', 'var(--series-2)', 'var(--series-3)', 'var(--series-4)'];

/** Speedup against workers: measured with spread, the ideal, the hardware's limit, and what laws predict, dashed. */
export default function SpeedupChart({ series, curves = [] }: { series: { name: string; rows: readonly Row[] }[]; curves?: Curve[] }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  const counts = new Set<number>();
  for (const { rows } of series) for (const row of rows) counts.add(row.n_workers);
  for (const curve of curves) for (const n of curve.n_workers) counts.add(n);
  const data = [...counts]
    .sort((a, b) => a - b)
    .map((n) => {
      const point: Record<string, unknown> = { n };
      if (series.some(({ rows }) => rows.some((row) => row.n_workers === n))) point.ideal = n;
      series.forEach(({ rows }, place) => {
        const row = rows.find((each) => each.n_workers === n);
        if (!row) return;
        point[`s${place}`] = row.speedup;
        point[`e${place}`] = [row.speedup - row.spread.low, row.spread.high - row.speedup];
        if (place === 0 && row.limit_speedup !== null) point.limit = row.limit_speedup;
      });
      curves.forEach((curve, place) => {
        const at = curve.n_workers.indexOf(n);
        if (at >= 0) point[`c${place}`] = curve.speedup[at];
      });
      return point;
    });
  const highest = Math.max(...series.flatMap(({ rows }) => rows.flatMap((row) => [row.spread.high, row.limit_speedup ?? 0])));
  const step = Math.max(1, Math.ceil((highest + 0.5) / 6));
  const heights = Array.from({ length: Math.ceil((highest + 0.5) / step) + 1 }, (_, place) => place * step);
  const ink = 'var(--mantine-color-text)';
  return (
    <ResponsiveContainer width="100%" height="100%">
      <LineChart data={data} margin={{ top: 8, right: 16, bottom: 20, left: 0 }}>
        <CartesianGrid stroke="var(--line)" />
        <XAxis dataKey="n" type="number" domain={[0, 'dataMax']} ticks={[...counts].sort((a, b) => a - b)} stroke={ink} label={{ value: t('table.workers'), position: 'insideBottom', offset: -12, fill: ink }} />
        <YAxis stroke={ink} domain={[0, step * (heights.length - 1)]} ticks={heights} allowDataOverflow tickFormatter={(value: number) => number(value, 0)} width={44} />
        <Tooltip formatter={(value) => number(Number(value))} labelFormatter={(n) => t('table.nWorkers', { count: Number(n) })} contentStyle={{ background: 'var(--mantine-color-body)', borderColor: 'var(--line)' }} />
        <Legend verticalAlign="top" wrapperStyle={{ paddingBottom: 8 }} />
        <Line dataKey="ideal" name={t('chart.ideal')} stroke="var(--muted)" strokeDasharray="2 4" dot={false} isAnimationActive={false} />
        <Line dataKey="limit" name={t('chart.limit')} stroke="var(--limit)" strokeDasharray="8 4" dot={{ r: 3 }} connectNulls isAnimationActive={false} />
        {series.map(({ name }, place) => (
          <Line key={name} dataKey={`s${place}`} name={name} stroke={COLOURS[place % COLOURS.length]} strokeWidth={2} dot={{ r: 4 }} connectNulls isAnimationActive={false}>
            <ErrorBar dataKey={`e${place}`} width={6} strokeWidth={1.5} stroke={COLOURS[place % COLOURS.length]} direction="y" />
          </Line>
        ))}
        {curves.map((curve, place) => (
          <Line key={curve.law} dataKey={`c${place}`} name={t(`law.${curve.law}`)} stroke="var(--series-4)" strokeDasharray="4 4" dot={false} connectNulls isAnimationActive={false} />
        ))}
      </LineChart>
    </ResponsiveContainer>
  );
}
