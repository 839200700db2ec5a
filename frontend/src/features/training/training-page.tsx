import { Alert, Button, Group, MultiSelect, NumberInput, Select, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page, Panel, RunLink, Status, Wide } from '../../components/parts';
import { RunsTable } from '../../components/runs-table';
import { Loaded, NotAllowed, Problem } from '../../components/state';
import { api, take, type RunState } from '../../lib/api';
import { useFormats } from '../../lib/format';
import { queries, useMay } from '../../lib/queries';
import { RunTasks } from '../../components/run-tasks';

export function TrainingPage() {
  const { t } = useTranslation();
  const trainings = useQuery(queries.trainings);
  const [chosen, setChosen] = useState<string | null>(null);
  const followed = trainings.data?.find((run) => run.id === chosen) ?? trainings.data?.find((run) => run.status === 'running') ?? trainings.data?.[0];
  return (
    <Page title={t('training.title')} lead={t('training.lead')}>
      <Ask onAccepted={setChosen} />
      {followed && <Followed run={followed} />}
      <Past chosen={followed?.id} onChoose={setChosen} />
      <Models />
    </Page>
  );
}

function Ask({ onAccepted }: { onAccepted: (id: string) => void }) {
  const { t } = useTranslation();
  const may = useMay('operate');
  const cache = useQueryClient();
  const recipes = useQuery(queries.recipes);
  const [days, setDays] = useState<number | string>(30);
  const [scale, setScale] = useState<number | string>(1);
  const [workers, setWorkers] = useState<number | string>('');
  const [names, setNames] = useState<string[]>([]);
  const [engine, setEngine] = useState<'ray' | 'processes' | 'sequential'>('ray');
  const [by, setBy] = useState<'model' | 'shard'>('model');
  const asked = useMutation({
    mutationFn: () =>
      take(
        api.POST('/train', {
          body: {
            days: Number(days),
            scale: Number(scale),
            recipes: names.length ? names : null,
            engine,
            by,
            n_workers: workers === '' ? null : Number(workers),
          },
        }),
      ),
    onSuccess: (run) => {
      onAccepted(run.id);
      void cache.invalidateQueries({ queryKey: ['trainings'] });
    },
  });
  const engines = ['ray', 'processes', 'sequential'].map((value) => ({ value, label: t(`engine.${value}`) }));
  const ways = ['model', 'shard'].map((value) => ({ value, label: t(`by.${value}`) }));
  return (
    <Panel title={t('training.new')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          asked.mutate();
        }}
      >
        <Stack>
          <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
            <NumberInput label={t('training.days')} description={t('training.daysNote')} min={1} max={365} clampBehavior="strict" allowDecimal={false} value={days} onChange={setDays} required />
            <NumberInput label={t('training.scale')} description={t('training.scaleNote')} min={1} max={1000} clampBehavior="strict" allowDecimal={false} value={scale} onChange={setScale} required />
            <NumberInput label={t('training.workers')} description={t('training.workersNote')} min={1} max={1024} clampBehavior="strict" allowDecimal={false} value={workers} onChange={setWorkers} />
            <Select label={t('training.engine')} description={t('training.engineNote')} data={engines} value={engine} onChange={(value) => setEngine((value ?? 'ray') as typeof engine)} allowDeselect={false} />
            <Select label={t('training.by')} description={t('training.byNote')} data={ways} value={by} onChange={(value) => setBy((value ?? 'model') as typeof by)} allowDeselect={false} />
            <MultiSelect label={t('training.recipes')} description={t('training.recipesNote')} data={(recipes.data ?? []).map((recipe) => recipe.name)} value={names} onChange={setNames} searchable clearable />
          </SimpleGrid>
          <Group>
            <Button type="submit" loading={asked.isPending} disabled={!may || days === '' || scale === ''}>
              {t('training.start')}
            </Button>
            {!may && <NotAllowed scope="operate" />}
          </Group>
          {asked.isError && <Problem fault={asked.error} />}
        </Stack>
      </form>
    </Panel>
  );
}

function Followed({ run }: { run: RunState }) {
  const { t } = useTranslation();
  const may = useMay('operate');
  const cache = useQueryClient();
  const lab = useQuery(queries.session).data?.lab_mode ?? false;
  const going = run.status === 'running' || run.status === 'waiting';
  const cancel = useMutation({
    mutationFn: () => take(api.DELETE('/train/{run_id}', { params: { path: { run_id: run.id } } })),
    onSettled: () => cache.invalidateQueries({ queryKey: ['trainings'] }),
  });
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="xs">
          <Text size="sm">{t('training.followed')}</Text>
          <RunLink id={run.id} />
          <Status status={run.status} />
        </Group>
        <Group gap="xs">
          {lab && going && <KillActor />}
          {going && (
            <Button size="xs" color="red" variant="outline" disabled={!may} loading={cancel.isPending} onClick={() => cancel.mutate()}>
              {t('training.cancel')}
            </Button>
          )}
        </Group>
      </Group>
      {cancel.isError && <Problem fault={cancel.error} />}
      {run.error && <Alert color="orange" variant="light">{run.error}</Alert>}
      <RunTasks kind="training" id={run.id} />
    </Stack>
  );
}

/** Kills the process of an actor that fits a model now, so that its recovery is seen in the chart. */
function KillActor() {
  const { t } = useTranslation();
  const may = useMay('operate');
  const kill = useMutation({
    mutationFn: async () => {
      const { actors } = await take(api.GET('/cluster'));
      const worker = actors.find((actor) => actor.name === 'ModelTrainer' && actor.working);
      if (!worker) throw new Error(t('training.noActor'));
      return take(api.POST('/cluster/actors/{actor_id}/kill', { params: { path: { actor_id: String(worker.actor) } } }));
    },
  });
  return (
    <Group gap="xs">
      <Text size="sm" role="status">
        {kill.isError ? kill.error.message : kill.data ? t('training.killed', { pid: kill.data.pid }) : ''}
      </Text>
      <Button size="xs" variant="default" disabled={!may} loading={kill.isPending} onClick={() => kill.mutate()}>
        {t('training.kill')}
      </Button>
    </Group>
  );
}

function Past({ chosen, onChoose }: { chosen: string | undefined; onChoose: (id: string) => void }) {
  const { t } = useTranslation();
  const follow = (run: RunState) => (
    <Button size="compact-xs" variant="default" disabled={run.id === chosen} onClick={() => onChoose(run.id)} aria-label={t('training.followRun', { run: run.id })}>
      {t('training.follow')}
    </Button>
  );
  return (
    <Panel title={t('training.past')}>
      <Loaded query={useQuery(queries.trainings)} empty={t('training.none')}>
        {(runs) => <RunsTable runs={runs} label={t('training.past')} columns={['run', 'status', 'created', 'progress']} after={{ head: t('training.follow'), cell: follow }} />}
      </Loaded>
    </Panel>
  );
}

function Models() {
  const { t } = useTranslation();
  const { number, when } = useFormats();
  const may = useMay('operate');
  const cache = useQueryClient();
  const settled = { onSettled: () => cache.invalidateQueries({ queryKey: ['models'] }) };
  const promote = useMutation({
    mutationFn: (id: string) => take(api.POST('/models/{model_id}/promote', { params: { path: { model_id: id } } })),
    ...settled,
  });
  const back = useMutation({ mutationFn: () => take(api.POST('/models/rollback')), ...settled });
  const fault = promote.error ?? back.error;
  const found = useQuery(queries.models);
  return (
    <Panel
      title={t('models.title')}
      aside={
        <Button size="xs" variant="default" disabled={!may || (found.data?.length ?? 0) < 2} loading={back.isPending} onClick={() => back.mutate()}>
          {t('models.rollback')}
        </Button>
      }
    >
      {fault && <Problem fault={fault} />}
      <Loaded query={found} empty={t('attention.model')}>
        {(models) => (
          <Wide label={t('models.title')}>
            <Table striped withRowBorders={false} miw={720} style={{ fontVariantNumeric: 'tabular-nums' }}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('models.model')}</Table.Th>
                  <Table.Th>{t('runs.run')}</Table.Th>
                  <Table.Th>{t('runs.created')}</Table.Th>
                  {['roc_auc', 'brier', 'log_loss'].map((name) => (
                    <Table.Th key={name} ta="right">
                      {t(`score.${name}`)}
                    </Table.Th>
                  ))}
                  <Table.Th>{t('models.answers')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {models.map((model) => (
                  <Table.Tr key={model.id}>
                    <Table.Td>{model.id}</Table.Td>
                    <Table.Td>
                      <RunLink id={model.run_id} />
                    </Table.Td>
                    <Table.Td>{when(model.created)}</Table.Td>
                    {['roc_auc', 'brier', 'log_loss'].map((name) => (
                      <Table.Td key={name} ta="right">
                        {number(model.scores[name] as number, 4)}
                      </Table.Td>
                    ))}
                    <Table.Td>
                      {model.promoted ? (
                        t('models.inUse')
                      ) : (
                        <Button size="compact-xs" variant="default" disabled={!may} loading={promote.isPending && promote.variables === model.id} onClick={() => promote.mutate(model.id)} aria-label={t('models.promoteOne', { model: model.id })}>
                          {t('models.promote')}
                        </Button>
                      )}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
        )}
      </Loaded>
    </Panel>
  );
}
