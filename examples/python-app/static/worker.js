self.addEventListener('push', (event) => {
  event.waitUntil(self.registration.showNotification('Announcement', { body: event.data.text() }));
});
