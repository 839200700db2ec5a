import { Alert, Button, Checkbox, Group, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { download, Page, Panel, RunLink, Status } from '../../components/parts';
import { RunTasks } from '../../components/run-tasks';
import { RunsTable } from '../../components/runs-table';
import { FittedLaws, SpeedupFigure, SpeedupTable, type Row } from '../../components/speedup';
import { Loaded, NotAllowed, Problem } from '../../components/state';
import { api, take, type RunState } from '../../lib/api';
import { useFormats } from '../../lib/format';
import { queries, useMay } from '../../lib/queries';
import { fromText, rowsToCsv, toText } from './parameters';

export function BenchmarkPage() {
  const { t } = useTranslation();
  const benchmarks = useQuery(queries.benchmarks);
  const [compared, setCompared] = useState<string[]>([]);
  const going = benchmarks.data?.find((run) => run.status === 'running' || run.status === 'waiting');
  const last = benchmarks.data?.find((run) => run.kind === 'benchmark' && run.status === 'finished');
  const shown = compared.length > 0 ? compared : last ? [last.id] : [];
  return (
    <Page title={t('benchmark.title')} lead={t('benchmark.lead')}>
      <Ask />
      {going && <Going run={going} />}
      {shown.length > 0 && <Tables ids={shown} />}
      <Past chosen={compared} onChoose={setCompared} />
    </Page>
  );
}

function Ask() {
  const { t } = useTranslation();
  const may = useMay('operate');
  const cache = useQueryClient();
  const notebooks = useQuery(queries.notebooks);
  const [name, setName] = useState('04_speedup_tables');
  const [texts, setTexts] = useState<Record<string, string>>({});
  const chosen = notebooks.data?.find((notebook) => notebook.name === name);
  const asked = useMutation({
    mutationFn: () => {
      const parameters: Record<string, unknown> = {};
      for (const [key, text] of Object.entries(texts)) if (chosen && text !== toText(chosen.parameters[key])) parameters[key] = fromText(text, Array.isArray(chosen.parameters[key]));
      return take(api.POST('/benchmark', { body: { notebook: name, parameters, timeout_s: 7200 } }));
    },
    onSuccess: () => cache.invalidateQueries({ queryKey: ['benchmarks'] }),
  });
  return (
    <Panel title={t('benchmark.new')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          asked.mutate();
        }}
      >
        <Stack>
          <Loaded query={notebooks}>
            {(found) => (
              <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
                <Select
                  label={t('benchmark.notebook')}
                  data={found.map((notebook) => notebook.name)}
                  value={name}
                  onChange={(value) => {
                    setName(value ?? name);
                    setTexts({});
                  }}
                  allowDeselect={false}
                />
                {Object.entries(chosen?.parameters ?? {}).map(([key, value]) => (
                  <TextInput key={key} label={key} value={texts[key] ?? toText(value)} onChange={(event) => setTexts({ ...texts, [key]: event.currentTarget.value })} />
                ))}
              </SimpleGrid>
            )}
          </Loaded>
          <Text size="xs" c="var(--muted)">
            {t('benchmark.parametersNote')}
          </Text>
          <Group>
            <Button type="submit" loading={asked.isPending} disabled={!may}>
              {t('benchmark.start')}
            </Button>
            {!may && <NotAllowed scope="operate" />}
          </Group>
          {asked.isError && <Problem fault={asked.error} />}
        </Stack>
      </form>
    </Panel>
  );
}

function Going({ run }: { run: RunState }) {
  const { t } = useTranslation();
  const may = useMay('operate');
  const cache = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => take(api.DELETE('/benchmark/{run_id}', { params: { path: { run_id: run.id } } })),
    onSettled: () => cache.invalidateQueries({ queryKey: ['benchmarks'] }),
  });
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="xs">
          <RunLink id={run.id} />
          <Text size="sm">{run.name}</Text>
          <Status status={run.status} />
        </Group>
        <Button size="xs" color="red" variant="outline" disabled={!may} loading={cancel.isPending} onClick={() => cancel.mutate()}>
          {t('training.cancel')}
        </Button>
      </Group>
      {cancel.isError && <Problem fault={cancel.error} />}
      <RunTasks kind="benchmark" id={run.id} />
    </Stack>
  );
}

/** The tables of one run with its laws, or of several side by side: runs of different hosts are never put into one table. */
function Tables({ ids }: { ids: string[] }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  const tables = useQueries({ queries: ids.map((id) => queries.table(id)) });
  const compared = useQuery({ ...queries.compare(ids), enabled: ids.length > 1 });
  const laws = useQuery({ ...queries.laws(ids[0] ?? ''), enabled: ids.length === 1 });
  const series: { name: string; id: string; engine: string; rows: Row[]; host: string | undefined }[] = [];
  tables.forEach((table, place) => {
    const id = ids[place] ?? '';
    const host = compared.data?.hosts[place]?.join(', ');
    for (const [engine, rows] of Object.entries(table.data ?? {})) series.push({ name: `${engine} · ${id.slice(-4)}`, id, engine, rows: rows as unknown as Row[], host });
  });
  const waiting = tables.find((table) => table.data === undefined);
  const engines = [...new Set(series.map((each) => each.engine))];
  return (
    <Panel title={t(ids.length > 1 ? 'benchmark.compared' : 'benchmark.last')}>
      {waiting ? (
        <Loaded query={waiting}>{() => null}</Loaded>
      ) : (
        <Stack>
          {compared.data && !compared.data.same_digest && (
            <Alert color="orange" variant="light">
              {t('benchmark.otherWork')}
            </Alert>
          )}
          {series.map(({ id, engine, rows, host }) => (
            <Stack key={`${id}${engine}`} gap={4}>
              <Group justify="space-between">
                <Text size="sm" fw={600}>
                  {t('table.caption', { engine })} · <RunLink id={id} />
                  {host && ` · ${t('benchmark.host', { host })}`}
                </Text>
                <Group gap="xs">
                  <Button size="compact-xs" variant="default" onClick={() => download(`${id}-${engine}.csv`, rowsToCsv(rows), 'text/csv')}>
                    {t('benchmark.csv')}
                  </Button>
                  <Button size="compact-xs" variant="default" onClick={() => download(`${id}-${engine}.json`, JSON.stringify(rows, null, 2), 'application/json')}>
                    {t('benchmark.json')}
                  </Button>
                </Group>
              </Group>
              <SpeedupTable rows={rows} caption={`${t('table.caption', { engine })} ${id}`} />
            </Stack>
          ))}
          <SpeedupFigure
            series={series}
            curves={engines.length === 1 ? laws.data?.curves[engines[0] ?? ''] : undefined}
            label={t('chart.label', { engine: series.map((each) => each.name).join(', '), rows: series.flatMap((each) => each.rows.map((row) => `${each.name} ${row.n_workers}: ${number(row.speedup)}`)).join('; ') })}
          />
          {laws.data && engines.map((engine) => <FittedLaws key={engine} laws={laws.data} engine={engine} />)}
        </Stack>
      )}
    </Panel>
  );
}

function Past({ chosen, onChoose }: { chosen: string[]; onChoose: (ids: string[]) => void }) {
  const { t } = useTranslation();
  const compare = (run: RunState) => (
    <Checkbox
      aria-label={t('benchmark.compareRun', { run: run.id })}
      disabled={run.kind !== 'benchmark' || run.status !== 'finished' || (chosen.length >= 4 && !chosen.includes(run.id))}
      checked={chosen.includes(run.id)}
      onChange={(event) => onChoose(event.currentTarget.checked ? [...chosen, run.id] : chosen.filter((id) => id !== run.id))}
    />
  );
  return (
    <Panel title={t('benchmark.past')}>
      <Loaded query={useQuery(queries.benchmarks)} empty={t('benchmark.none')}>
        {(runs) => <RunsTable runs={runs} label={t('benchmark.past')} columns={['run', 'name', 'status', 'created', 'progress']} before={{ head: t('benchmark.compare'), cell: compare }} />}
      </Loaded>
    </Panel>
  );
}
