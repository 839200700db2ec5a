import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import en from '../locales/en.json';
import es from '../locales/es.json';

export const LANGUAGES = ['en', 'es'] as const;
const KEPT = 'labkit-lang';

/** The language that was chosen here before, else that of the browser, else English. */
function first(): string {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages].map((tag) => tag?.slice(0, 2));
  return wanted.find((tag) => (LANGUAGES as readonly (string | undefined)[]).includes(tag)) ?? 'en';
}

void i18next.use(initReactI18next).init({
  resources: { en: { translation: en }, es: { translation: es } },
  lng: first(),
  fallbackLng: false,
  interpolation: { escapeValue: false },
  showSupportNotice: false,
} as Parameters<typeof i18next.init>[0]);
document.documentElement.lang = i18next.language;
i18next.on('languageChanged', (lang) => {
  localStorage.setItem(KEPT, lang);
  document.documentElement.lang = lang;
});

export default i18next;
