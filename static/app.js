// What every page loads. The page says by data attributes what it shows; see live/ (what moves), forms/ (what is sent) and
// sales/ (the till).

import { RealtimeManager } from "./realtime/manager.js";
import { bindBell } from "./live/bell.js";
import { updateFigures } from "./live/figures.js";
import { bindRetry, showStatus } from "./live/indicator.js";
import { updateLists } from "./live/lists.js";
import { bindRegions } from "./live/regions.js";
import { bindDirty, bindRenewal } from "./live/renewal.js";
import { updateStock } from "./live/stock.js";
import { bindForms } from "./forms/enhance.js";
import { bindMenus } from "./forms/menus.js";
import { bindPrint } from "./forms/print.js";
import { bindSteppers } from "./forms/steppers.js";
import { bindTheme } from "./forms/theme.js";

bindTheme();
bindForms();
bindMenus();
bindPrint();
bindSteppers();

const { userId, role, branchId, cursor, topics, heartbeatSeconds } = document.body.dataset;
if (userId) startLive();

function startLive() {
  const scope = `${userId}:${branchId || "all"}`;
  const wanted = (topics ?? "").split(" ");
  // A super admin's page goes on with the branch it shows, whatever is chosen in another tab meanwhile.
  const branch = role === "super_admin" ? branchId || "semua" : null;
  const manager = new RealtimeManager({ scope, branch, cursor, heartbeatMs: 1000 * (Number(heartbeatSeconds) || 15) });
  window.RealtimeManager = manager; // as the old app had it, for its pages and for the console

  const showState = (topic) => ({
    onData(data) {
      updateFigures(topic, data);
      updateLists(topic, data);
    },
  });
  if (wanted.includes("dashboard")) manager.connectDashboard(showState("dashboard"));
  if (wanted.includes("omset-kasir")) manager.connectOmsetKasir(showState("omset-kasir"));
  if (wanted.includes("stock-updates")) manager.connectStockUpdates({ onData: updateStock });
  if (wanted.includes("orders")) bindRegions(manager);
  if (wanted.includes("notifications")) bindBell(manager);
  manager.onStatus(showStatus);
  bindRetry(manager);
  bindDirty();
  bindRenewal(manager, userId);
  manager.start();

  const till = document.querySelector("[data-sale]");
  if (till) import("./sales/till.js").then(({ openTill }) => openTill(till, manager));
}
