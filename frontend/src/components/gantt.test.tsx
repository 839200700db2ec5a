import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { Gantt, type TaskEvent } from './gantt';

const task = (name: string, worker: number, from: number, to: number, more: Partial<TaskEvent> = {}): TaskEvent => ({
  task: name, worker, attempt: 1, submitted_s: from - 0.5, started_s: from, finished_s: to, received_s: to + 0.1, error: null, ...more,
});

describe('the chart of tasks', () => {
  it('has a lane for each worker and a bar for each attempt, and says all of it in a table too', () => {
    render(
      <MantineProvider>
        <Gantt tasks={[task('a', 0, 100, 102), task('b', 3, 101, 101.5)]} />
      </MantineProvider>,
    );
    expect(screen.getByRole('img', { name: /2 tasks of 2 workers in 2\.1 s/ })).toBeInTheDocument();
    expect(screen.getAllByText(/^worker [03]$/)).toHaveLength(2);
    expect(screen.getAllByRole('row')).toHaveLength(3);
  });

  it('shows an attempt whose worker died from when it was sent', () => {
    const lost = task('c', 0, 105, 105, { submitted_s: 101, received_s: 105, error: 'worker 0 died' });
    const { container } = render(
      <MantineProvider>
        <Gantt tasks={[task('a', 0, 100, 101), lost, task('c', 0, 106, 107, { attempt: 2 })]} />
      </MantineProvider>,
    );
    const failed = [...container.querySelectorAll('rect[fill="var(--gantt-failed)"]')].map((bar) => Number(bar.getAttribute('width')));
    expect(Math.max(...failed)).toBeGreaterThan(200); // 4 of about 7 s
  });

  it('of nothing is nothing', () => {
    const { container } = render(<MantineProvider>{<Gantt tasks={[]} />}</MantineProvider>);
    expect(container.querySelector('svg')).toBeNull();
  });
});
