import { type DaemonOptions, upstreamConfig } from './daemon.ts'
import { discordToken, FakeDiscord } from './platforms/discord.ts'
import { FakeMail, mailPassword, mailUser } from './platforms/email.ts'
import { FakeMatrix, matrixToken } from './platforms/matrix.ts'
import { FakeSignal, signalNumber } from './platforms/signal.ts'
import { FakeSlack, slackAppToken, slackBotToken } from './platforms/slack.ts'
import { FakeTelegram, telegramToken } from './platforms/telegram.ts'
import {
  FakeWhatsapp,
  whatsappAppSecret,
  whatsappPerson,
  whatsappPhoneId,
  whatsappToken,
  whatsappVerifyToken,
} from './platforms/whatsapp.ts'

export const telegramSecret = 'telegram-webhook-secret-of-tests'
export const discordGuild = '900000000000000001'
export const matrixRoom = '!room:localhost'
export const signalPerson = '+441234567890'
export const mailPerson = 'ada@example.org'
export const slackChat = 'D0DIRECT1'

/** Every platform on loopback, and a Keel's configuration that has all of them set up. Nobody is allowed on Telegram. */
export async function startPlatforms() {
  const [telegram, whatsapp, discord, slack, matrix, signal, mail] = await Promise.all([
    FakeTelegram.start(),
    FakeWhatsapp.start(),
    FakeDiscord.start(),
    FakeSlack.start(),
    FakeMatrix.start(),
    FakeSignal.start(),
    FakeMail.start(),
  ])
  matrix.addRoom(matrixRoom)
  const fakes = { telegram, whatsapp, discord, slack, matrix, signal, mail }
  const config = `
[channels.telegram]
token_env = "TEST_TELEGRAM"
api_url = "${telegram.apiUrl}"
poll_timeout_seconds = 5
webhook_secret = "${telegramSecret}"

[channels.whatsapp]
enabled = true
token_env = "TEST_WHATSAPP"
api_url = "${whatsapp.apiUrl}"
phone_number_id = "${whatsappPhoneId}"
verify_token = "${whatsappVerifyToken}"
app_secret = "${whatsappAppSecret}"
allowed_numbers = ["${whatsappPerson}"]

[channels.discord]
token_env = "TEST_DISCORD"
api_url = "${discord.apiUrl}"
allowed_guild_ids = ["${discordGuild}"]

[channels.slack]
enabled = true
token_env = "TEST_SLACK_BOT"
app_token_env = "TEST_SLACK_APP"
api_url = "${slack.apiUrl}"
allowed_channel_ids = ["${slackChat}"]

[channels.matrix]
enabled = true
token_env = "TEST_MATRIX"
homeserver_url = "${matrix.url}"
allowed_room_ids = ["${matrixRoom}"]

[channels.signal]
enabled = true
phone_number = "${signalNumber}"
daemon_url = "${signal.url}"
allowed_numbers = ["${signalPerson}"]

[channels.email]
enabled = true
imap_host = "127.0.0.1"
imap_port = ${mail.imap.port}
imap_security = "none"
smtp_host = "127.0.0.1"
smtp_port = ${mail.smtpPort}
smtp_security = "none"
username = "${mailUser}"
password_env = "TEST_MAIL"
from_address = "${mailUser}"
authserv_id = "mx.keel.example"
allowed_senders = ["${mailPerson}"]
`
  const env = {
    TEST_TELEGRAM: telegramToken,
    TEST_WHATSAPP: whatsappToken,
    TEST_DISCORD: discordToken,
    TEST_SLACK_BOT: slackBotToken,
    TEST_SLACK_APP: slackAppToken,
    TEST_MATRIX: matrixToken,
    TEST_MAIL: mailPassword,
  }
  return {
    ...fakes,
    secrets: [...Object.values(env), telegramSecret, whatsappAppSecret, whatsappVerifyToken],
    /** For a Keel whose model is at `upstream`. Slack and Discord keep files on hosts of their own, which are to be allowed. */
    daemon: (upstream: string, more = ''): DaemonOptions => ({
      config: upstreamConfig(
        upstream,
        `[egress]\nallowed_hosts = ["${discord.host}", "${slack.host}"]\n${more}\n${config}`,
      ),
      env,
    }),
    async close(): Promise<void> {
      await Promise.all(Object.values(fakes).map((fake) => fake.close()))
    },
  }
}

export type Platforms = Awaited<ReturnType<typeof startPlatforms>>
