import { Button, Group, Select, Stack, Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page, Panel, RunLink, Status, Wide } from '../../components/parts';
import { Loaded } from '../../components/state';
import { useFormats } from '../../lib/format';
import { queries } from '../../lib/queries';

export function RunsPage() {
  const { t } = useTranslation();
  const { when, percent } = useFormats();
  const [kind, setKind] = useState<string | null>(null);
  const runs = useQuery(queries.runs(kind ?? undefined));
  return (
    <Page title={t('runs.title')} lead={t('runs.lead')}>
      <Panel title={t('runs.all')}>
        <Stack>
          <Group align="flex-end">
            <Select
              label={t('runs.kind')}
              placeholder={t('runs.anyKind')}
              data={['training', 'benchmark', 'notebook'].map((value) => ({ value, label: t(`kind.${value}`) }))}
              value={kind}
              onChange={setKind}
              clearable
            />
            <Button variant="default" onClick={() => void runs.refetch()}>
              {t('state.renew')}
            </Button>
          </Group>
          <Loaded query={runs} empty={t('runs.none')} lines={6}>
            {(found) => (
              <Wide label={t('runs.all')}>
                <Table striped withRowBorders={false} miw={640}>
                  <Table.Thead>
                    <Table.Tr>
                      {['run', 'kind', 'name', 'status', 'created', 'progress'].map((head) => (
                        <Table.Th key={head}>{t(`runs.${head}`)}</Table.Th>
                      ))}
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {found.map((run) => (
                      <Table.Tr key={run.id}>
                        <Table.Td>
                          <RunLink id={run.id} />
                        </Table.Td>
                        <Table.Td>{t(`kind.${run.kind}`)}</Table.Td>
                        <Table.Td>{run.name}</Table.Td>
                        <Table.Td>
                          <Status status={run.status} />
                        </Table.Td>
                        <Table.Td>{when(run.created)}</Table.Td>
                        <Table.Td>{percent(run.progress)}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Wide>
            )}
          </Loaded>
        </Stack>
      </Panel>
    </Page>
  );
}
