// What the frame needs of the browser: language and theme remembered, and a word when the
// server is away. Runs before Streamlit's scripts; asks nothing of anybody.
"use strict";
(() => {
  const root = document.documentElement;
  const home = new URL("..", document.currentScript.src).pathname; // "/ui/", or "/" alone
  const DARK = "(prefers-color-scheme: dark)";
  const LANGUAGES = { en: "en", zh: "zh-CN" };

  // Else Streamlit tries each part of a page's address in turn and misses, noisily.
  window.__streamlit = { BACKEND_BASE_URL: new URL(home, location.href).href };

  const kept = (name) => {
    const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return found ? found.slice(name.length + 1) : "";
  };
  const keep = (name, value) => {
    const age = value ? 31536000 : 0;
    document.cookie = `${name}=${value}; path=${home}; max-age=${age}; SameSite=Lax`;
  };

  // Streamlit follows the system's choice of light or dark; a choice made here comes first.
  const system = window.matchMedia(DARK);
  const listeners = new Set();
  let theme = kept("quire_theme");
  const isDark = () => (theme ? theme === "dark" : system.matches);
  const told = () => ({ matches: isDark(), media: DARK });
  const tell = () => {
    for (const listener of listeners) {
      (listener.handleEvent || listener).call(chosen, told());
    }
  };
  const chosen = {
    get matches() { return isDark(); },
    media: DARK,
    onchange: null,
    addEventListener: (kind, listener) => kind === "change" && listeners.add(listener),
    removeEventListener: (kind, listener) => listeners.delete(listener),
    addListener: (listener) => listeners.add(listener),
    removeListener: (listener) => listeners.delete(listener),
    dispatchEvent: () => false,
  };
  const asked = window.matchMedia.bind(window);
  window.matchMedia = (query) => (query === DARK ? chosen : asked(query));
  system.addEventListener("change", () => theme || tell());

  const show = () => {
    root.dataset.theme = theme || "system";
    root.style.colorScheme = isDark() ? "dark" : "light";
  };
  show();
  root.lang = LANGUAGES[kept("quire_language")] || (navigator.language || "en");

  // While nobody answers Streamlit shows a dialog of its own, in English only, over everything.
  let goneText = "", isAway = false, notice = null, looking = 0;
  const follow = () => {
    const state = document.querySelector("[data-testid=stApp]")?.dataset.testConnectionState;
    const isGone = Boolean(goneText) && /PINGING_SERVER|DISCONNECTED/.test(state || "");
    if (isGone === isAway) return;
    isAway = isGone;
    root.toggleAttribute("data-away", isAway);
    clearInterval(looking);
    notice?.remove();
    if (!isAway) return;
    notice = document.createElement("div");
    notice.className = "q-away";
    notice.setAttribute("role", "status");
    notice.dataset.reactAriaTopLayer = "true"; // else the hidden dialog hides it from readers
    notice.textContent = goneText;
    document.body.append(notice);
    // A server that is back but knows this login no more answers so for ever: it asks for a key.
    looking = setInterval(look, 3000);
    look(); // whoever logged out in another tab is not told that the server is away
  };
  const look = () => fetch(`${home}_stcore/health`, { cache: "no-store" })
    .then((answer) => answer.status === 401 && signIn())
    .catch(() => {});
  const signIn = () => {
    const here = encodeURIComponent(location.pathname + location.search);
    location.assign(`/login?over=1&next=${here}`);
  };

  let hasLeft = false;
  // The script of the pages says what was chosen in an element that nobody sees.
  const take = () => {
    const mark = document.querySelector(".q-frame");
    if (!mark) return;
    const { language, look, chosen: isChosen, leave: isLeaving } = mark.dataset;
    goneText = mark.dataset.gone || goneText;
    if (isLeaving && !hasLeft) {
      hasLeft = true;
      fetch("/logout", { method: "POST", redirect: "manual" }).then(() => location.reload());
    }
    if (LANGUAGES[language] && root.lang !== LANGUAGES[language]) root.lang = LANGUAGES[language];
    if (LANGUAGES[language] && isChosen && kept("quire_language") !== language) {
      keep("quire_language", language);
    }
    const wanted = look === "dark" || look === "light" ? look : "";
    if (look && wanted !== theme) {
      theme = wanted;
      keep("quire_theme", theme);
      show();
      tell();
    }
  };
  // On a phone the sidebar covers the page: whoever chose a page wants to see it.
  document.addEventListener("click", (event) => {
    if (!asked("(max-width: 767px)").matches) return;
    if (!event.target.closest("[data-testid=stSidebarNavLink]")) return;
    setTimeout(() => {
      document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
    }, 0);
  });
  new MutationObserver(() => { take(); follow(); }).observe(root, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-language", "data-look", "data-chosen", "data-leave",
      "data-test-connection-state"],
  });

  // A mark in an answer opens its source: it names the button below the answer that does.
  document.addEventListener("click", (event) => {
    const mark = event.target.closest?.("[data-open]");
    if (!mark) return;
    document.querySelector(`.st-key-${CSS.escape(mark.dataset.open)} button`)?.click();
    if (window.innerWidth <= 640) toSource(60);
  });
  // On a narrow screen the source lies below the answer: it is brought into view.
  const toSource = (tries) => {
    const source = document.querySelector(".st-key-ask_aside");
    if (source && source.innerText.trim()) source.scrollIntoView({ block: "nearest" });
    else if (tries > 0) setTimeout(() => toSource(tries - 1), 50);
  };
})();
