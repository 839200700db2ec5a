import { ActionIcon, AppShell, Badge, Burger, Container, Group, NavLink, SegmentedControl, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, Route, Router, Switch, useLocation } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { Empty, Loaded } from '../components/state';
import { DashboardPage } from '../features/dashboard/dashboard-page';
import { LANGUAGES } from '../lib/i18n';
import { LiveProvider, useLive } from '../lib/live';
import { queries } from '../lib/queries';

// Loaded when somebody goes there: the first page is there sooner.
const BenchmarkPage = lazy(() => import('../features/benchmark/benchmark-page').then((found) => ({ default: found.BenchmarkPage })));
const MetricsPage = lazy(() => import('../features/metrics/metrics-page').then((found) => ({ default: found.MetricsPage })));
const PredictionPage = lazy(() => import('../features/prediction/prediction-page').then((found) => ({ default: found.PredictionPage })));
const RunPage = lazy(() => import('../features/runs/run-page').then((found) => ({ default: found.RunPage })));
const RunsPage = lazy(() => import('../features/runs/runs-page').then((found) => ({ default: found.RunsPage })));
const TrainingPage = lazy(() => import('../features/training/training-page').then((found) => ({ default: found.TrainingPage })));

const PAGES = [
  ['/', 'dashboard'],
  ['/prediction', 'prediction'],
  ['/training', 'training'],
  ['/benchmark', 'benchmark'],
  ['/metrics', 'metrics'],
  ['/runs', 'runs'],
] as const;

export function App() {
  return (
    <Router hook={useHashLocation}>
      <Frame />
    </Router>
  );
}

function Frame() {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const [location] = useLocation();
  const session = useQuery(queries.session);
  const here = PAGES.find(([path]) => (path === '/' ? location === '/' : location.startsWith(path)));
  useEffect(() => {
    document.title = here ? `${t(`nav.${here[1]}`)} · labkit` : 'labkit';
  }, [here, t]);
  return (
    <LiveProvider path={session.data?.services.includes('metrics') ? '/metrics/live' : null}>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>
        {t('nav.skip')}
      </a>
      <AppShell header={{ height: 56 }} navbar={{ width: 200, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="md">
        <AppShell.Header>
          <Group h="100%" px="md" justify="space-between" wrap="nowrap">
            <Group gap="sm" wrap="nowrap">
              <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t('nav.menu')} aria-expanded={opened} />
              <Text fw={700}>{t('nav.name')}</Text>
              {session.data && <Connection />}
            </Group>
            <Controls />
          </Group>
        </AppShell.Header>
        <AppShell.Navbar p="xs" aria-label={t('nav.pages')}>
          {PAGES.map(([path, name]) => (
            <NavLink key={path} component={Link} href={path} label={t(`nav.${name}`)} active={here?.[1] === name} aria-current={here?.[1] === name ? 'page' : undefined} onClick={close} variant="light" color="var(--mantine-color-text)" />
          ))}
        </AppShell.Navbar>
        <AppShell.Main id="main" tabIndex={-1} style={{ outline: 'none' }}>
          <Container size={1500} p={0}>
            <Loaded query={session} lines={6}>
              {() => (
                <Suspense fallback={<Empty>{t('state.pending')}</Empty>}>
                <Switch>
                  <Route path="/" component={DashboardPage} />
                  <Route path="/prediction" component={PredictionPage} />
                  <Route path="/training" component={TrainingPage} />
                  <Route path="/benchmark" component={BenchmarkPage} />
                  <Route path="/metrics" component={MetricsPage} />
                  <Route path="/runs" component={RunsPage} />
                  <Route path={/^[/]runs[/](?<id>[0-9a-f-]+)$/}>{({ id }) => <RunPage id={id ?? ''} />}</Route>
                  <Route>
                    <Empty>{t('nav.unknown')}</Empty>
                  </Route>
                </Switch>
                </Suspense>
              )}
            </Loaded>
          </Container>
        </AppShell.Main>
      </AppShell>
    </LiveProvider>
  );
}

function Connection() {
  const { t } = useTranslation();
  const { connection } = useLive();
  return (
    <Badge variant="outline" color={{ live: 'teal', stale: 'orange', connecting: 'gray' }[connection]} role="status">
      {t(`connection.${connection}`)}
    </Badge>
  );
}

function Controls() {
  const { t, i18n } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const other = scheme === 'light' ? 'dark' : 'light';
  return (
    <Group gap="xs" wrap="nowrap">
      <SegmentedControl size="xs" data={LANGUAGES.map((value) => ({ value, label: value }))} value={i18n.language} onChange={(lang) => void i18n.changeLanguage(lang)} aria-label={t('nav.language')} />
      <ActionIcon variant="default" size="lg" onClick={() => setColorScheme(other)} aria-label={t(`nav.${other}`)} title={t(`nav.${other}`)}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden>
          <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="1.5" />
          <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
        </svg>
      </ActionIcon>
    </Group>
  );
}
