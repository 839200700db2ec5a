import { Button, Group, SegmentedControl, SimpleGrid, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page, Panel } from '../../components/parts';
import { Empty } from '../../components/state';
import { useFormats } from '../../lib/format';
import { useLive, type Sample } from '../../lib/live';
import { Logs } from './logs';

const LiveChart = lazy(() => import('../../components/live-chart'));
const RANGES = ['60', '300', '3600'];

export function MetricsPage() {
  const { t } = useTranslation();
  const { percent, number, bytes, time } = useFormats();
  const { history, connection, sample } = useLive();
  const [range, setRange] = useState('60');
  const [paused, setPaused] = useState<readonly Sample[] | null>(null);
  const all = paused ?? history;
  const newest = all[all.length - 1];
  const since = newest ? Date.parse(newest.at) - 1000 * Number(range) : 0;
  // From the back, since only the end is shown.
  let begin = all.length;
  while (begin > 0 && Date.parse(all[begin - 1]?.at ?? '') >= since) begin -= 1;
  const shown = all.slice(begin);
  const times = shown.map((each) => Date.parse(each.at) / 1000);
  const rate = (of: (each: Sample) => number) =>
    shown.map((each, place) => {
      const before = shown[place - 1];
      if (!before) return null;
      return (of(each) - of(before)) / Math.max((Date.parse(each.at) - Date.parse(before.at)) / 1000, 0.001);
    });
  const cores = newest?.cores.length ?? 0;
  const nodes = newest?.cluster?.nodes ?? [];
  const chart = (title: string, series: { label: string; values: (number | null)[] }[], format: (value: number) => string, top?: number) => {
    const last = series.map(({ label, values }) => `${label}: ${values.at(-1) === null || values.at(-1) === undefined ? '–' : format(values.at(-1) ?? 0)}`).join(' · ');
    return (
      <Panel key={title} title={title}>
        <div role="img" aria-label={`${title}. ${last}`}>
          <Suspense fallback={<div style={{ height: 160 }} />}>
            <LiveChart times={times} series={series} format={format} top={top} />
          </Suspense>
        </div>
        <Text size="xs" c="var(--muted)">
          {last}
        </Text>
      </Panel>
    );
  };
  const share = (value: number) => percent(value);
  const perS = (value: number) => `${bytes(value)}/s`;
  return (
    <Page
      title={t('metrics.title')}
      lead={t('metrics.lead')}
      actions={
        <Group>
          <SegmentedControl data={RANGES.map((value) => ({ value, label: t(`metrics.range${value}`) }))} value={range} onChange={setRange} aria-label={t('metrics.range')} size="xs" />
          <Button size="xs" variant="default" aria-pressed={paused !== null} onClick={() => setPaused(paused ? null : [...history])}>
            {t(paused ? 'metrics.resume' : 'metrics.pause')}
          </Button>
        </Group>
      }
    >
      <Text size="sm" aria-live="off">
        {t(`connection.${connection}`)}
        {sample && ` · ${time(sample.at)}`}
      </Text>
      {!newest ? (
        <Empty>{t('state.pending')}</Empty>
      ) : (
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          {chart(
            t('metrics.latency'),
            [50, 95, 99].map((p) => ({ label: `p${p}`, values: shown.map((each) => each.requests[`p${p}_ms` as 'p50_ms']) })),
            (value) => `${number(value, value < 10 ? 1 : 0)} ms`,
          )}
          {chart(
            t('metrics.requests'),
            [
              { label: t('metrics.perS'), values: shown.map((each) => each.requests.per_s) },
              { label: t('metrics.errors'), values: shown.map((each) => each.requests.errors_per_s) },
            ],
            (value) => number(value, 1),
          )}
          {chart(t('metrics.cores'), Array.from({ length: Math.min(cores, 16) }, (_, core) => ({ label: t('metrics.core', { core }), values: shown.map((each) => each.cores[core] ?? null) })), share, 1)}
          {chart(t('metrics.memory'), [{ label: t('metrics.memory'), values: shown.map((each) => each.memory) }], share, 1)}
          {chart(t('metrics.diskRate'), [{ label: t('metrics.read'), values: rate((each) => each.read_bytes) }, { label: t('metrics.written'), values: rate((each) => each.written_bytes) }], perS)}
          {chart(t('metrics.network'), [{ label: t('metrics.received'), values: rate((each) => each.received_bytes) }, { label: t('metrics.sent'), values: rate((each) => each.sent_bytes) }], perS)}
          {nodes.map((node) =>
            chart(
              t('metrics.store', { node: node.node }),
              [{ label: t('metrics.storeUsed'), values: shown.map((each) => each.cluster?.nodes.find((other) => other.node === node.node)?.store_used_bytes ?? null) }],
              bytes,
            ),
          )}
          {nodes.map((node) =>
            chart(
              t('metrics.nodeCpus', { node: node.node }),
              [{ label: t('metrics.cpusUsed'), values: shown.map((each) => each.cluster?.nodes.find((other) => other.node === node.node)?.cpus_used ?? null) }],
              (value) => number(value, 1),
              Math.max(node.cpus, 1),
            ),
          )}
        </SimpleGrid>
      )}
      <Logs />
    </Page>
  );
}
