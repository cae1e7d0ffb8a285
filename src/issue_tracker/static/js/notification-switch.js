// The switch for notifications, under Account. The browser requests permission only after a click on it.
import { byId } from "./elements.js";

export function startNotificationSwitch() {
  const button = byId("notifications", HTMLButtonElement);
  const state = byId("notifications-state");
  const show = () => {
    const on = isOn();
    const available = "Notification" in window && isSecureContext;
    // Once denied, the browser asks no more: only its own settings for this site can allow them again.
    const denied = available && Notification.permission === "denied";
    button.hidden = !available || denied;
    button.textContent = on ? "Turn off notifications" : "Turn on notifications";
    if (!available) state.textContent = "Notifications are not available here, because they require HTTPS.";
    else if (denied) state.textContent = "The browser blocks notifications for this site. Allow them in its settings.";
    else state.textContent = on ? "On, in this browser." : "Off.";
  };
  button.addEventListener("click", async () => {
    if (isOn()) localStorage.removeItem("notifications");
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem("notifications", "on");
    show();
  });
  show();
}

const isOn = () =>
  "Notification" in window && Notification.permission === "granted" && localStorage.getItem("notifications") === "on";
