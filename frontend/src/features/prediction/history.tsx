import { Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Panel, Wide } from '../../components/parts';
import { Loaded } from '../../components/state';
import { useFormats } from '../../lib/format';
import { queries } from '../../lib/queries';

export function History() {
  const { t } = useTranslation();
  const { percent, when } = useFormats();
  return (
    <Panel title={t('history.title')}>
      <Loaded query={useQuery(queries.predictions)} empty={t('history.none')}>
        {(found) => (
          <Wide label={t('history.title')}>
            <Table striped withRowBorders={false} verticalSpacing={4} miw={560}>
              <Table.Thead>
                <Table.Tr>
                  {['when', 'flight', 'model'].map((head) => (
                    <Table.Th key={head}>{t(`history.${head}`)}</Table.Th>
                  ))}
                  <Table.Th ta="right">{t('prediction.probability')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {found.slice(0, 20).map((each) => (
                  <Table.Tr key={each.id}>
                    <Table.Td>{when(each.created, { dateStyle: 'short', timeStyle: 'medium' })}</Table.Td>
                    <Table.Td>{[each.flight.day, each.flight.carrier, `${String(each.flight.origin)}–${String(each.flight.dest)}`].map(String).join(' · ')}</Table.Td>
                    <Table.Td>{each.model}</Table.Td>
                    <Table.Td ta="right">{percent(each.probability, 1)}</Table.Td>
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
