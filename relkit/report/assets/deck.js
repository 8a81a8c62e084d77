/* Brings the deck to life: without this, and on a phone, the pages stand stacked. */
(function () {
  if (window.matchMedia("(max-width: 640px)").matches) return;
  document.getElementById("reveal-style").media = "screen";
  document.documentElement.classList.add("live");
  var deck = window.Reveal;
  deck.initialize({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4,
    center: false, display: "flex", hash: true, history: false, controls: true,
    controlsTutorial: false, progress: true, slideNumber: false, transition: "none",
    backgroundTransition: "none", scrollActivationWidth: null, pdfSeparateFragments: false,
    jumpToSlide: false, help: false, viewDistance: 1000, mobileViewDistance: 1000
  });
  deck.addKeyBinding({ keyCode: 83, key: "S", description: "Notes" }, function () {
    deck.configure({ showNotes: !deck.getConfig().showNotes });
    deck.layout();
  });
})();
