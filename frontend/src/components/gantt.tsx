import { Group, Table, Text, VisuallyHidden } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../lib/format';

/** One attempt at a task, with its four times in seconds of one clock. */
export type TaskEvent = {
  task: string;
  worker: number;
  attempt: number;
  submitted_s: number;
  started_s: number;
  finished_s: number;
  received_s: number;
  error: string | null;
};

const keyOf = (task: TaskEvent) => `${task.task} ${task.attempt} ${task.worker} ${task.submitted_s}`;

const PARTS = ['queue', 'compute', 'reply'] as const;
const LANE = 30;
const LEFT = 84;

/** The tasks of each worker over time: waiting, computing, the way back; attempts that failed are hatched. */
export function Gantt({ tasks, width = 760 }: { tasks: readonly TaskEvent[]; width?: number }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  if (tasks.length === 0) return null;
  const workers = [...new Set(tasks.map((task) => task.worker))].sort((a, b) => a - b);
  const begin = Math.min(...tasks.map((task) => task.started_s));
  const end = Math.max(...tasks.map((task) => task.received_s));
  const span = Math.max(end - begin, 1e-6);
  const x = (at: number) => LEFT + (Math.max(0, at - begin) / span) * (width - LEFT - 12);
  const height = workers.length * LANE + 30;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600].find((each) => span / each <= 8) ?? 1200;
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, place) => place * step);
  return (
    <div>
      <Group gap="md" mb={4}>
        {PARTS.map((part) => (
          <Group key={part} gap={6}>
            <span style={{ width: 12, height: 12, borderRadius: 2, background: `var(--gantt-${part})`, display: 'inline-block' }} />
            <Text size="xs">{t(`gantt.${part}`)}</Text>
          </Group>
        ))}
        <Group gap={6}>
          <span style={{ width: 12, height: 12, borderRadius: 2, background: 'var(--gantt-failed)', display: 'inline-block' }} />
          <Text size="xs">{t('gantt.failed')}</Text>
        </Group>
      </Group>
      <div className="wide" role="region" tabIndex={0} aria-label={t('gantt.title')}>
        <svg viewBox={`0 0 ${width} ${height}`} style={{ width: '100%', minWidth: 680 }} role="img" aria-label={t('gantt.summary', { tasks: tasks.length, workers: workers.length, seconds: number(span, 1) })}>
          {ticks.map((tick) => (
            <g key={tick}>
              <line x1={x(begin + tick)} x2={x(begin + tick)} y1={0} y2={height - 24} stroke="var(--line)" />
              <text x={x(begin + tick)} y={height - 8} fontSize={11} textAnchor="middle" fill="var(--muted)">
                {number(tick, step < 1 ? 2 : 0)}
              </text>
            </g>
          ))}
          {workers.map((worker, lane) => (
            <text key={worker} x={0} y={lane * LANE + 19} fontSize={12} fill="var(--mantine-color-text)">
              {t('gantt.worker', { worker })}
            </text>
          ))}
          {/* What waits is drawn first: a task that was sent ahead waits while its worker computes another. */}
          {tasks.map((task) => (
            <rect key={keyOf(task)} x={x(task.submitted_s)} width={Math.max(x(task.started_s) - x(task.submitted_s), 0)} y={workers.indexOf(task.worker) * LANE + 13} height={4} fill="var(--gantt-queue)" />
          ))}
          {tasks.map((task) => {
            const y = workers.indexOf(task.worker) * LANE + 5;
            const finished = Math.max(task.finished_s, task.started_s);
            const bar = (from: number, to: number, fill: string) => <rect x={x(from)} width={Math.max(x(to) - x(from), 1)} y={y} height={20} fill={fill} rx={1.5} />;
            return (
              <g key={keyOf(task)}>
                <title>
                  {`${task.task}: ${number(task.finished_s - task.started_s, 2)} s` + (task.attempt > 1 ? `, ${t('gantt.attempt', { attempt: task.attempt })}` : '') + (task.error ? `, ${task.error}` : '')}
                </title>
                {/* Of an attempt whose worker died nobody knows when it began: shown from when it was sent. */}
                {task.error && task.started_s >= task.received_s && bar(task.submitted_s, task.received_s, 'var(--gantt-failed)')}
                {bar(finished, task.received_s, task.error ? 'var(--gantt-failed)' : 'var(--gantt-reply)')}
                {bar(task.started_s, finished, task.error ? 'var(--gantt-failed)' : 'var(--gantt-compute)')}
                {x(finished) - x(task.started_s) > task.task.length * 6.6 && (
                  <text x={x(task.started_s) + 5} y={y + 14} fontSize={11} fill="var(--gantt-text)">
                    {task.task}
                  </text>
                )}
              </g>
            );
          })}
        </svg>
      </div>
      <VisuallyHidden>
        <Table>
          <Table.Caption>{t('gantt.title')}</Table.Caption>
          <Table.Thead>
            <Table.Tr>
              {['task', 'workerHead', 'attemptHead', 'computeHead'].map((name) => (
                <Table.Th key={name}>{t(`gantt.${name}`)}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tasks.map((task) => (
              <Table.Tr key={keyOf(task)}>
                <Table.Td>{task.task}</Table.Td>
                <Table.Td>{task.worker}</Table.Td>
                <Table.Td>{task.attempt}</Table.Td>
                <Table.Td>{number(task.finished_s - task.started_s, 2)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </VisuallyHidden>
    </div>
  );
}
