// What one's own schedules did not do as expected: told as it happens, and counted beside Schedules until somebody has looked there.
import { boot, can } from "./dom.js";
import { onNews, onState } from "./live.js";
import { api, oneAtATime } from "./net.js";
import { count } from "./shell.js";
import { toast } from "./toast.js";

const SEEN = `deputy.troubles.${boot.who}`; // when the newest of those that were looked at had settled, by the server's clock
const WORDS = { failed: "did not end as expected", missed: "did not start", skipped: "did not start", stopped: "did not start", waiting: "waits for a connection", replaced: "was ended for a later run", defaulted: "went on with its default answer" };

const recount = oneAtATime(async () => {
  const found = await api("/schedules/troubles", { query: { since: localStorage.getItem(SEEN) } }).catch(() => null);
  if (!found) return;
  const looks = location.pathname === "/schedules" && !document.hidden;
  if (looks && found.troubles.length) localStorage.setItem(SEEN, found.troubles[0].settled_at);
  count("schedules", looks ? 0 : found.troubles.length);
});

if (can("schedule_troubles")) {
  recount();
  onNews((news) => {
    const words = news.body.owner === boot.who && news.kind.startsWith("schedule.") && WORDS[/** @type {"failed"} */ (news.kind.slice(9))];
    if (!words) return;
    const path = news.item_id?.startsWith("item_") ? `/work/${news.item_id}` : `/schedules#${encodeURIComponent(String(news.body.name))}`;
    toast(`${news.body.name} ${words}.`, { kind: "bad", action: ["Look", () => location.assign(path)] });
    recount();
  });
  onState((state) => state === "reload" && recount());
  document.addEventListener("visibilitychange", recount);
  addEventListener("storage", (event) => event.key === SEEN && recount());
}
