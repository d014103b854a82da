// Says on the page what allauth's scripts would tell the console only: that a passkey was not used.
document.addEventListener('allauth.error', event => {
  event.preventDefault()
  const old = document.querySelector('.message.passkey')
  const message = old || document.createElement('p')
  message.className = 'message error passkey'
  message.setAttribute('role', 'alert')
  message.textContent = 'The passkey was not used. Try again, or choose another way.'
  document.querySelector('main').prepend(message)
})
