import { Table } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { RunLink, Status, Wide } from './parts';
import type { RunState } from '../lib/api';
import { useFormats } from '../lib/format';

type Column = 'run' | 'kind' | 'name' | 'status' | 'created' | 'progress';
type Extra = { head: string; cell: (run: RunState) => ReactNode };

/** Runs as rows, everywhere the same; a page may put something of its own before or after. */
export function RunsTable({ runs, label, columns, before, after }: { runs: readonly RunState[]; label: string; columns: readonly Column[]; before?: Extra; after?: Extra }) {
  const { t } = useTranslation();
  const { when, percent } = useFormats();
  const cell: Record<Column, (run: RunState) => ReactNode> = {
    run: (run) => <RunLink id={run.id} />,
    kind: (run) => t(`kind.${run.kind}`),
    name: (run) => run.name,
    status: (run) => <Status status={run.status} />,
    created: (run) => when(run.created),
    progress: (run) => run.waits_for ?? percent(run.progress),
  };
  const shown: Extra[] = [...(before ? [before] : []), ...columns.map((name) => ({ head: t(`runs.${name}`), cell: cell[name] })), ...(after ? [after] : [])];
  return (
    <Wide label={label}>
      <Table striped withRowBorders={false} miw={105 * shown.length}>
        <Table.Thead>
          <Table.Tr>
            {shown.map(({ head }) => (
              <Table.Th key={head}>{head}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {runs.map((run) => (
            <Table.Tr key={run.id}>
              {shown.map((column) => (
                <Table.Td key={column.head}>{column.cell(run)}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}
