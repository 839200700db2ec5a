import { Badge, Group, Table, Text } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../lib/format';
import { Wide } from './parts';
import type { Laws } from '../lib/api';

export type Spread = { low: number; high: number; kind: string; coverage: number | null };
export type Row = {
  n_workers: number;
  sequential_s: number;
  parallel_s: number;
  speedup: number;
  efficiency: number;
  throughput_rows_s: number;
  spread: Spread;
  limit_speedup: number | null;
  limit_fraction: number | null;
  marks: string[];
};
export type Curve = Laws['curves'][string][number];

export const SpeedupChart = lazy(() => import('./speedup-chart'));

/** The speedup table of one engine, as everywhere in the kit. */
export function SpeedupTable({ rows, caption }: { rows: readonly Row[]; caption: string }) {
  const { t } = useTranslation();
  const { number, whole, percent } = useFormats();
  const heads = ['workers', 'sequential', 'parallel', 'speedup', 'efficiency', 'throughput', 'spread', 'limit', 'marks'];
  const spread = rows[0]?.spread;
  return (
    <>
      <Wide label={caption}>
        <Table striped withRowBorders={false} style={{ fontVariantNumeric: 'tabular-nums' }} miw={720}>
          <Table.Thead>
            <Table.Tr>
              {heads.map((head) => (
                <Table.Th key={head} ta={head === 'marks' ? 'left' : 'right'}>
                  {t(`table.${head}`)}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.n_workers}>
                <Table.Td ta="right">{row.n_workers}</Table.Td>
                <Table.Td ta="right">{number(row.sequential_s)}</Table.Td>
                <Table.Td ta="right">{number(row.parallel_s)}</Table.Td>
                <Table.Td ta="right" fw={600}>
                  {number(row.speedup)}
                </Table.Td>
                <Table.Td ta="right">{percent(row.efficiency)}</Table.Td>
                <Table.Td ta="right">{whole(row.throughput_rows_s)}</Table.Td>
                <Table.Td ta="right" style={{ whiteSpace: 'nowrap' }}>{`${number(row.spread.low)}–${number(row.spread.high)}`}</Table.Td>
                <Table.Td ta="right">{percent(row.limit_fraction)}</Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    {row.marks.map((mark) => (
                      <Badge key={mark} variant="outline" color="orange" size="sm">
                        {t(`mark.${mark}`)}
                      </Badge>
                    ))}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      {spread && (
        <Text size="xs" c="var(--muted)" mt={4}>
          {spread.kind === 'interval' ? t('table.interval', { coverage: percent(spread.coverage, 1) }) : t('table.range')}
        </Text>
      )}
    </>
  );
}

export function SpeedupFigure(props: { series: { name: string; rows: readonly Row[] }[]; curves?: Curve[]; label: string }) {
  return (
    <div style={{ height: 320 }} role="img" aria-label={props.label}>
      <Suspense fallback={null}>
        <SpeedupChart {...props} />
      </Suspense>
    </div>
  );
}

/** What was fitted to the table of one engine, or how many cores it would take; where more workers help no more. */
export function FittedLaws({ laws, engine }: { laws: Laws; engine: string }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  return (laws.laws[engine] ?? []).map((found) => {
    const law = t(`law.${String(found.law)}`);
    const curve = laws.curves[engine]?.find((each) => each.law === found.law);
    const errors = found.std_errors as Record<string, number>;
    const parameters = Object.entries((found.parameters ?? {}) as Record<string, number>).map(([name, value]) => `${name} = ${number(value, 4)} ± ${number(errors[name], 4)}`);
    return (
      <Text key={law} size="sm">
        {'n_cores_needed' in found
          ? t('law.needs', { law, cores: found.n_cores_needed })
          : [t('law.fitted', { law, parameters: parameters.join(', ') }), curve?.knee && t('law.knee', { n: curve.knee }), curve?.saturation && t('law.saturation', { n: curve.saturation })].filter(Boolean).join(' ')}
      </Text>
    );
  });
}
