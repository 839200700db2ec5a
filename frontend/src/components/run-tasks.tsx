import { Progress, Stack, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Gantt, type TaskEvent } from './gantt';
import { Panel } from './parts';
import { Empty } from './state';
import { useEvents } from '../lib/events';
import { useFormats } from '../lib/format';

const SHOWN = 200;

/** The tasks of a run as they happen, or as they happened: the newest round of a benchmark. */
export function RunTasks({ kind, id }: { kind: string; id: string }) {
  // A key, so that another run begins with nothing.
  return <Tasks key={id} kind={kind} id={id} />;
}

function Tasks({ kind, id }: { kind: string; id: string }) {
  const { t } = useTranslation();
  const { percent } = useFormats();
  const cache = useQueryClient();
  const [tasks, setTasks] = useState<TaskEvent[]>([]);
  const [state, setState] = useState<{ status: string; progress: number; waits_for: string | null } | null>(null);
  const connection = useEvents(`/${kind === 'training' ? 'train' : 'benchmark'}/${id}/events`, {
    task: (task: TaskEvent) => setTasks((before) => [...before, task].slice(-SHOWN)),
    state: setState as (data: never) => void,
    end: () => {
      for (const key of [['run', id], ['trainings'], ['benchmarks'], ['models'], ['runs']]) void cache.invalidateQueries({ queryKey: key });
    },
  });
  const measured = kind === 'benchmark' && state?.status === 'running';
  const going = state?.status === 'running' || state?.status === 'waiting';
  return (
    <Panel title={t('gantt.title')}>
      <Stack gap="sm">
        {going && (
          <>
            <Progress value={100 * state.progress} aria-label={t('runs.progress')} />
            <Text size="sm" aria-live="polite">
              {state.status === 'waiting' ? (state.waits_for ? t('training.waitsFor', { who: state.waits_for }) : t('training.starting')) : percent(state.progress)}
              {connection === 'stale' && ` · ${t('connection.stale')}`}
            </Text>
          </>
        )}
        {tasks.length > 0 ? <Gantt tasks={tasks} /> : <Empty>{going ? t(measured ? 'gantt.afterwards' : 'gantt.noneYet') : t('gantt.none')}</Empty>}
      </Stack>
    </Panel>
  );
}
