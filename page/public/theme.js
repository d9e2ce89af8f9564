// Before the first paint: a theme or language chosen earlier, so that nothing flashes.
(function () {
  try {
    var theme = localStorage.getItem('pgmmr.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    var language = localStorage.getItem('pgmmr.language') || navigator.language || 'en';
    document.documentElement.lang = /^zh/i.test(language) ? 'zh-Hans' : 'en';
  } catch (e) {
    /* storage is blocked in some frames: the system's theme and language hold */
  }
})();
