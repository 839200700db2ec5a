import { Anchor, Badge, Group, List, Progress, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { Figure, Page, Panel, RunLink } from '../../components/parts';
import { RunsTable } from '../../components/runs-table';
import { SpeedupTable, type Row } from '../../components/speedup';
import { Empty, Loaded } from '../../components/state';
import { useFormats } from '../../lib/format';
import { useLive } from '../../lib/live';
import { queries } from '../../lib/queries';

export function DashboardPage() {
  const { t } = useTranslation();
  return (
    <Page title={t('dashboard.title')} lead={t('dashboard.lead')}>
      <Attention />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Parts />
        <Now />
        <Cluster />
        <InUse />
      </SimpleGrid>
      <Going />
      <LastTable />
      <Links />
    </Page>
  );
}

/** What needs somebody's attention, each with what to do. */
function Attention() {
  const { t } = useTranslation();
  const ready = useQuery(queries.ready);
  const runs = useQuery(queries.runs());
  const { connection } = useLive();
  const found: { key: string; text: string; href?: string }[] = [];
  for (const part of ready.data?.parts ?? []) if (!part.ready) found.push({ key: part.name, text: t(`attention.${part.name}`) });
  const bad = (runs.data ?? []).slice(0, 5).find((run) => run.status === 'failed');
  if (bad) found.push({ key: bad.id, text: t('attention.failed', { run: bad.id, error: bad.error ?? '' }), href: `/runs/${bad.id}` });
  if (connection === 'stale') found.push({ key: 'stale', text: t('attention.stale') });
  return (
    <Panel title={t('attention.title')}>
      {found.length === 0 ? (
        <Text size="sm">{ready.data ? t('attention.nothing') : t('state.pending')}</Text>
      ) : (
        <List size="sm" spacing={4}>
          {found.map(({ key, text, href }) => (
            <List.Item key={key}>
              {href ? (
                <Anchor component={Link} href={href} size="sm">
                  {text}
                </Anchor>
              ) : (
                text
              )}
            </List.Item>
          ))}
        </List>
      )}
    </Panel>
  );
}

function Parts() {
  const { t } = useTranslation();
  const { number } = useFormats();
  return (
    <Panel title={t('dashboard.parts')}>
      <Loaded query={useQuery(queries.ready)} lines={4}>
        {(ready) => (
          <Table withRowBorders={false}>
            <Table.Tbody>
              {ready.parts.map((part) => (
                <Table.Tr key={part.name}>
                  <Table.Td>{t(`part.${part.name}`)}</Table.Td>
                  <Table.Td>
                    <Badge variant="outline" color={part.ready ? 'teal' : 'red'}>
                      {part.ready ? t('part.ready') : t('part.notReady')}
                    </Badge>
                  </Table.Td>
                  <Table.Td ta="right">{`${number(part.latency_ms, 1)} ms`}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
    </Panel>
  );
}

function Now() {
  const { t } = useTranslation();
  const { number, percent } = useFormats();
  const { sample } = useLive();
  return (
    <Panel
      title={t('dashboard.now')}
      aside={
        <Anchor component={Link} href="/metrics" size="sm">
          {t('nav.metrics')}
        </Anchor>
      }
    >
      {sample ? (
        <SimpleGrid cols={{ base: 2, xs: 3 }}>
          <Figure label={t('metrics.perS')} value={number(sample.requests.per_s, 1)} />
          <Figure label={t('metrics.p99')} value={sample.requests.p99_ms === null ? t('metrics.none') : `${number(sample.requests.p99_ms, sample.requests.p99_ms < 10 ? 1 : 0)} ms`} />
          <Figure label={t('metrics.errors')} value={number(sample.requests.errors_per_s, 1)} />
          <Figure label={t('metrics.cpu')} value={percent(sample.cpu)} />
          <Figure label={t('metrics.memory')} value={percent(sample.memory)} />
          <Figure label={t('metrics.disk')} value={percent(sample.disk)} />
        </SimpleGrid>
      ) : (
        <Empty>{t('state.pending')}</Empty>
      )}
    </Panel>
  );
}

function Cluster() {
  const { t } = useTranslation();
  const { number, bytes } = useFormats();
  const { sample } = useLive();
  const nodes = sample?.cluster?.nodes;
  return (
    <Panel title={t('dashboard.cluster')}>
      {!sample ? (
        <Empty>{t('state.pending')}</Empty>
      ) : !nodes ? (
        <Empty>{t('attention.cluster')}</Empty>
      ) : (
        <Stack gap="sm">
          {nodes.map((node) => (
            <div key={node.node}>
              <Group justify="space-between">
                <Text size="sm">{t('dashboard.node', { node: node.node })}</Text>
                <Text size="sm">{t('dashboard.cpus', { used: number(node.cpus_used, 1), total: number(node.cpus, 0) })}</Text>
              </Group>
              <Progress value={node.cpus ? (100 * node.cpus_used) / node.cpus : 0} aria-label={t('dashboard.cpus', { used: number(node.cpus_used, 1), total: number(node.cpus, 0) })} />
              <Text size="xs" c="var(--muted)">
                {t('dashboard.store', { used: bytes(node.store_used_bytes), total: bytes(node.store_bytes) })}
              </Text>
            </div>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

function InUse() {
  const { t } = useTranslation();
  const { number, when } = useFormats();
  return (
    <Panel title={t('dashboard.model')}>
      <Loaded query={useQuery(queries.models)} lines={4}>
        {(models) => {
          const model = models.find((each) => each.promoted);
          if (!model) return <Empty>{t('attention.model')}</Empty>;
          const score = (name: string) => number(model.scores[name] as number, 3);
          return (
            <Stack gap="xs">
              <Text size="sm">
                {model.id} · {when(model.created)} · <RunLink id={model.run_id} />
              </Text>
              <SimpleGrid cols={{ base: 2, xs: 4 }}>
                {['roc_auc', 'pr_auc', 'brier', 'log_loss'].map((name) => (
                  <Figure key={name} label={t(`score.${name}`)} value={score(name)} />
                ))}
              </SimpleGrid>
            </Stack>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function Going() {
  const { t } = useTranslation();
  const runs = useQuery(queries.runs());
  return (
    <Panel title={t('dashboard.going')}>
      <Loaded query={runs}>
        {(all) => {
          const going = all.filter((run) => run.status === 'running' || run.status === 'waiting');
          if (going.length === 0) return <Empty>{t('dashboard.idle')}</Empty>;
          return <RunsTable runs={going} label={t('dashboard.going')} columns={['run', 'kind', 'status', 'progress']} />;
        }}
      </Loaded>
    </Panel>
  );
}

function LastTable() {
  const { t } = useTranslation();
  const { when } = useFormats();
  const benchmarks = useQuery(queries.benchmarks);
  const last = benchmarks.data?.find((run) => run.kind === 'benchmark' && run.status === 'finished');
  const table = useQuery({ ...queries.table(last?.id ?? ''), enabled: last !== undefined });
  return (
    <Panel title={t('dashboard.table')} aside={last && <RunLink id={last.id}>{t('dashboard.ofRun', { run: last.id, when: when(last.created) })}</RunLink>}>
      {benchmarks.data && !last ? (
        <Empty>{t('benchmark.none')}</Empty>
      ) : (
        <Loaded query={table}>
          {(tables) => (
            <Stack>
              {Object.entries(tables).map(([engine, rows]) => (
                <SpeedupTable key={engine} rows={rows as unknown as Row[]} caption={t('table.caption', { engine })} />
              ))}
            </Stack>
          )}
        </Loaded>
      )}
    </Panel>
  );
}

function Links() {
  const { t } = useTranslation();
  const session = useQuery(queries.session).data;
  if (!session?.jupyter) return null;
  return (
    <Panel title={t('dashboard.links')}>
      <Group>
        <Anchor href={`${session.jupyter}lab`} target="_blank" rel="noreferrer" size="sm">
          {t('dashboard.jupyter')}
        </Anchor>
        <Anchor href={`${session.jupyter}ray/`} target="_blank" rel="noreferrer" size="sm">
          {t('dashboard.ray')}
        </Anchor>
        <Anchor href="docs" size="sm">
          {t('dashboard.docs')}
        </Anchor>
      </Group>
    </Panel>
  );
}
