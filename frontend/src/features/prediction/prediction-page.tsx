import { Page } from '../../components/parts';
import { useTranslation } from 'react-i18next';
import { History } from './history';
import { OneFlight } from './one-flight';
import { ManyFlights } from './many-flights';

export function PredictionPage() {
  const { t } = useTranslation();
  return (
    <Page title={t('prediction.title')} lead={t('prediction.lead')}>
      <OneFlight />
      <ManyFlights />
      <History />
    </Page>
  );
}
