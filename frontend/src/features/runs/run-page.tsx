import { Anchor, Button, Code, Group, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { download, Figure, Page, Panel, Status, Wide } from '../../components/parts';
import { FittedLaws, SpeedupFigure, SpeedupTable, type Row } from '../../components/speedup';
import { Loaded } from '../../components/state';
import { ReportButton } from './report-button';
import { base, type RunRecord } from '../../lib/api';
import { useFormats } from '../../lib/format';
import { queries } from '../../lib/queries';
import { RunTasks } from '../../components/run-tasks';

/** One run: what was asked, on what, by which machine, and what it came to. */
export function RunPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const { when, percent } = useFormats();
  const run = useQuery(queries.run(id));
  return (
    <Page
      title={t('run.title', { run: id })}
      lead={t('run.lead')}
      actions={
        run.data && (
          <Group gap="xs">
            {'tables' in run.data.results && <ReportButton run={run.data.id} />}
            <Button variant="default" size="xs" onClick={() => download(`${id}.json`, JSON.stringify(run.data, null, 2), 'application/json')}>
              {t('run.json')}
            </Button>
          </Group>
        )
      }
    >
      <Loaded query={run} lines={8}>
        {(record) => (
          <Stack>
            <Panel title={t('run.state')}>
              <SimpleGrid cols={{ base: 2, sm: 4 }}>
                <Figure label={t('runs.kind')} value={t(`kind.${record.kind}`)} note={record.name} />
                <Figure label={t('runs.status')} value={<Status status={record.status} />} note={record.waits_for ?? percent(record.progress)} />
                <Figure label={t('runs.created')} value={when(record.created)} />
                <Figure label={t('runs.finished')} value={when(record.finished)} />
              </SimpleGrid>
              {record.error && (
                <Text size="sm" mt="sm" role="alert">
                  {t('run.error', { error: record.error })}
                </Text>
              )}
            </Panel>
            <Measured run={record} />
            {record.kind !== 'notebook' && <RunTasks kind={record.kind} id={record.id} />}
            <Provenance run={record} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Measured({ run }: { run: RunRecord }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  const tables = run.results.tables as Record<string, Row[]> | undefined;
  const laws = useQuery({ ...queries.laws(run.id), enabled: tables !== undefined });
  const scores = run.results.scores as Record<string, unknown> | undefined;
  return (
    <>
      {scores && (
        <Panel title={t('run.scores')}>
          <SimpleGrid cols={{ base: 2, xs: 4 }}>
            {['roc_auc', 'pr_auc', 'brier', 'log_loss'].map((name) => (
              <Figure key={name} label={t(`score.${name}`)} value={number(scores[name] as number, 4)} />
            ))}
          </SimpleGrid>
        </Panel>
      )}
      {tables &&
        Object.entries(tables).map(([engine, rows]) => (
          <Panel key={engine} title={t('table.caption', { engine })}>
            <SpeedupTable rows={rows} caption={t('table.caption', { engine })} />
            <SpeedupFigure
              series={[{ name: engine, rows }]}
              curves={laws.data?.curves[engine]}
              label={t('chart.label', { engine, rows: rows.map((row) => `${row.n_workers}: ${number(row.speedup)}`).join('; ') })}
            />
            {laws.data && <FittedLaws laws={laws.data} engine={engine} />}
          </Panel>
        ))}
      {run.artefacts.some((name) => name.endsWith('.ipynb')) && (
        <Panel
          title={t('run.notebook')}
          aside={
            <Anchor href={`${base}/benchmark/${run.id}/notebook`} target="_blank" rel="noreferrer" size="sm">
              {t('run.apart')}
            </Anchor>
          }
        >
          <iframe title={t('run.notebook')} src={`${base}/benchmark/${run.id}/notebook`} sandbox="" style={{ width: '100%', height: 480, border: '1px solid var(--line)', background: 'white' }} />
        </Panel>
      )}
    </>
  );
}

function Provenance({ run }: { run: RunRecord }) {
  const { t } = useTranslation();
  return (
    <Panel title={t('run.provenance')}>
      <Stack gap="sm">
        <Wide label={t('run.provenance')}>
          <Table withRowBorders={false}>
            <Table.Tbody>
              <Table.Tr>
                <Table.Th>{t('run.digest')}</Table.Th>
                <Table.Td>
                  <Code>{run.data_digest || '–'}</Code>
                </Table.Td>
              </Table.Tr>
              <Table.Tr>
                <Table.Th>{t('run.seed')}</Table.Th>
                <Table.Td>{run.seed}</Table.Td>
              </Table.Tr>
              {(run.fingerprints as Record<string, unknown>[]).map((node, place) => (
                <Table.Tr key={place}>
                  <Table.Th>{t('run.host', { n: place + 1 })}</Table.Th>
                  <Table.Td>
                    <Group gap="xs">
                      <Code>{String(node.digest)}</Code>
                      <Text size="sm">{[node.cpu_model, node.os].filter(Boolean).join(' · ')}</Text>
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
        <Text size="sm" fw={600}>
          {t('run.parameters')}
        </Text>
        <Code block tabIndex={0}>
          {JSON.stringify(run.parameters, null, 2)}
        </Code>
      </Stack>
    </Panel>
  );
}
