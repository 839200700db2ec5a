import { Button, Group, Select, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page, Panel } from '../../components/parts';
import { RunsTable } from '../../components/runs-table';
import { Loaded } from '../../components/state';
import { queries } from '../../lib/queries';

export function RunsPage() {
  const { t } = useTranslation();
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
            {(found) => <RunsTable runs={found} label={t('runs.all')} columns={['run', 'kind', 'name', 'status', 'created', 'progress']} />}
          </Loaded>
        </Stack>
      </Panel>
    </Page>
  );
}
