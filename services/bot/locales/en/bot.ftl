# What the bot says, in English. The same messages stand in ../ru/bot.ftl; a test holds that.


credits = { $count ->
    [one] { $count } credit
   *[other] { $count } credits
}
predictions = { $count ->
    [one] { $count } prediction
   *[other] { $count } predictions
}
rows = { $count ->
    [one] { $count } row
   *[other] { $count } rows
}
seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}
minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}

# Greeting and help
start = 👋 Hello, { $name }!
    Send me a text and the model <b>{ $model }</b> will answer. Each answer costs { $price }.

    Your balance: <b>{ $balance }</b>.

    See everything I can do: /help
help = <b>What I can do</b>

    Send any text and the selected model answers.
    /predict <i>text</i> – get an answer; without a text, I wait for it
    /batch – many texts at once: one per line, or a .txt or .csv file
    /history – your requests and their answers
    /balance – your credits and latest transactions
    /models – choose a model
    /link <i>code</i> – connect this chat to your API account
    /unlink – leave the API account and pay from this chat again
    /delete_me – delete what I keep about you
    /notify – answers to your API requests in this chat: on or off
    /language – Русский or English
    /cancel – cancel what you have started
    /stop – no messages until you write again
stopped = 🔕 No more messages. Finished answers will be in /history. Write anything to hear from me again.
language-choose = 🌐 Choose a language
language-chosen = ✅ I will write in English.

# Requests
predict-ask = ✍️ Send the text for <b>{ $model }</b>. Changed your mind? /cancel
accepted = ⏳ <b>Got it.</b> The answer should be here in about { $wait }.
    Price: { $cost } · balance: { $balance }
accepted-idle = ⏳ <b>Got it.</b> The model is not running at the moment; you will get the answer as soon as it is back.
    Price: { $cost } · balance: { $balance }
accepted-batch = ⏳ <b>Got it: { $predictions }.</b> You will get a file with all the answers.
    Price: { $cost } · balance: { $balance }
button-cancel = ✖️ Cancel
button-cancel-batch = ✖️ Cancel the batch
button-again = 🔁 Again
button-back = ⬅️ Back
button-older = Older ▶️
button-newer = ◀️ Newer
button-file = 📎 Full answer
button-batch-file = 📎 All answers
button-batch-rest = 📎 Next answers
again-done = Sent again.
not-understood = I can read texts, and .txt or .csv files. See everything I can do: /help
edited = ✏️ I cannot change what you have already sent. Please send the corrected text as a new message.
group-first = 👋 Write to me in a private chat first: @{ $bot }. Then I can answer you here.
group-empty = Write your text after the command: <code>/predict@{ $bot } your text</code>
group-needs-text = The model <b>{ $model }</b> needs more than a text. Use it in a private chat with me, or choose another one there: /models
group-no-credits = 💸 You do not have enough credits. Your balance is shown in a private chat with me.
given-up = ⚠️ Something went wrong; your request was not processed. Requests that did go through are in /history.
unknown-command = I do not know this command. See what I can do: /help
nothing-to-cancel = There is nothing to cancel.
dialog-canceled = ✖️ Cancelled.
canceled-popup = Cancelled. Your credits have been refunded.

# Answers
answer-foot = <i>{ $model } { $version } · { $time } · { $cost }</i>
time = { $seconds }{"\u00A0"}s
shortest-time = &lt;0.1{"\u00A0"}s
answer-failed = ❌ <b>Failed</b>: { $reason }
    { $cost } refunded
answer-canceled = ✖️ <b>Cancelled.</b> { $cost } refunded
answer-expired = ⌛ <b>Expired</b>: there was no answer in time. { $cost } refunded
answer-below = ⬇️ The answer is below.
answer-queued = ⏳ <b>In the queue</b>
answer-processing = ⚙️ <b>In progress</b>
notice-webhook-disabled-failing = 🔕 The webhook { $url } is switched off: its receiver has failed for days. You can switch it on again on the page, under Developers.
notice-webhook-disabled-gone = 🔕 The webhook { $url } is switched off: its receiver says that it is gone for good. You can switch it on again on the page, under Developers.
answer-deleted = 🗑 This request has been deleted: it was older than the service keeps answers.
answer-refused = ⚠️ The answer is ready, but it cannot be shown here. You will find it in /history.
output-cut = The answer is long; all of it is in the file.
output-nothing = Nothing found.
output-numbers = [{ $first }, … ] ({ $count } numbers)
text-erased = The text is no longer kept
reason-erased = the reason is no longer kept.
input-file = 📎 file, { $kilobytes }{"\u00A0"}KB
output-file-name = answer.json
percent = { NUMBER($share, minimumFractionDigits: 1, maximumFractionDigits: 1) }%
yes = yes
no = no
batch-done = ✅ <b>The batch is finished</b>: { $done } of { $total } succeeded.
batch-failed = Failed: { $count }; those credits have been refunded.
batch-canceled-rows = Cancelled: { $count }; those credits have been refunded.
batch-canceled-early = ✖️ <b>The batch was cancelled</b>: { $done } of { $total } succeeded.
batch-canceled-early-unanswered = ✖️ <b>The batch was cancelled</b> before the first answer. Nothing was charged.
batch-failed-early = ❌ <b>The batch stopped early</b>: { $reason }
    { $done } of { $total } succeeded.
batch-failed-early-unanswered = ❌ <b>The batch could not be processed</b>: { $reason }
    Nothing was charged.
batch-labels = { $label }: { $count }
batch-paid = Paid: { $cost }
batch-file = All answers are in the file.
batch-file-cut = An answer that is too long for a file was left out.
batch-file-part = The file ends with row { $last }: Telegram takes no larger files. Tap the button for the next answers.
batch-file-refused = ⚠️ Telegram did not accept the file. All answers are in /history.
batch-file-name = answers.csv
csv-delimiter = ,

# Labels and languages
label-positive = 🙂 positive
label-neutral = 😐 neutral
label-negative = 🙁 negative
spans-person = 👤 People
spans-place = 📍 Places
spans-organization = 🏢 Organizations
language-ar = Arabic
language-be = Belarusian
language-bg = Bulgarian
language-cs = Czech
language-de = German
language-en = English
language-es = Spanish
language-fi = Finnish
language-fr = French
language-he = Hebrew
language-hi = Hindi
language-hy = Armenian
language-it = Italian
language-ja = Japanese
language-ka = Georgian
language-kk = Kazakh
language-ko = Korean
language-mk = Macedonian
language-nl = Dutch
language-pl = Polish
language-pt = Portuguese
language-ru = Russian
language-sr = Serbian
language-sv = Swedish
language-tr = Turkish
language-tt = Tatar
language-uk = Ukrainian
language-und = cannot tell
language-uz = Uzbek
language-zh = Chinese

# Batches
batch-ask = 📄 Send the texts, one per line, or a .txt or .csv file. Changed your mind? /cancel
batch-understood = 📄 <b>{ $name }</b>: { $rows }
batch-understood-text = 📄 <b>{ $rows }</b>
batch-column = Column with the texts: <b>{ $column }</b>
batch-columns = Columns: <b>{ $columns }</b>
batch-blank = Blank rows left out: { $count }
batch-unreadable = ⚠️ Rows with characters that could not be read: { $count }
batch-price = Model: <b>{ $model }</b>
    Price: <b>{ $cost }</b> · balance: { $balance }
batch-too-expensive = 💸 Your balance is too low for this batch.
batch-one-file = ☝️ I read one file at a time. This is the first of the files you sent.
button-batch-yes = ✅ Go: { $cost }
button-batch-no = ✖️ Cancel
button-batch-column = Use column: { $column }
batch-dropped = ✖️ Cancelled. Nothing was charged.
batch-canceled = { $count ->
    [one] { $count } prediction cancelled, credits refunded.
   *[other] { $count } predictions cancelled, credits refunded.
}
batch-errors = { $count ->
    [one] ⚠️ <b>{ $count } row cannot be used.</b> Nothing was charged.
   *[other] ⚠️ <b>{ $count } rows cannot be used.</b> Nothing was charged.
}
batch-row-error = <b>Row { $row }</b>: { $reason }
batch-more-errors = … and { $count } more
batch-errors-next = Please correct the file and send it again.
batch-errors-rest = Without them, { $rows } can be sent.
batch-cells = it has { $count } cells, and there are { $columns } columns
batch-empty = There are no texts here.
batch-too-many = Too many rows; the limit is { $max }.
file-too-big = The file is too big; the limit is { $kilobytes }{"\u00A0"}KB.
batch-file-too-big = The file is too big; the limit is { $megabytes }{"\u00A0"}MB.
batch-file-kind = I can only read .txt and .csv files.
batch-file-not-text = This file is not a text. Save it as CSV or as plain text and send it again.
batch-file-not-fetched = ⚠️ Telegram did not give me the file. Please send it again.
batch-needs-text = The model { $model } needs more than a text. Send a .csv file with a column for each of these fields: { $fields }

# Balance
balance = 💳 <b>Balance: { $balance }</b>
    On hold for unfinished predictions: { $held }
balance-account = Account: { $username }
balance-last = <b>Latest transactions</b>
balance-line = { $date } · { $what } · <b>{ $change }</b>
balance-none = There are no transactions yet.
balance-many = { $what }, { $count } times
kind-grant = starting credits
kind-top_up = top-up
kind-hold = prediction
kind-capture = prediction paid
kind-release = given back
kind-transfer = moved between your accounts
kind-adjustment = correction
kind-refund = refund for predictions
kind-chargeback = payment reversed

# History
history-title = 🗂 <b>History</b>, page { $page }
history-batch = Batch: { $done } of { $total } succeeded
history-none = There is nothing here yet.
history-none-here = Nothing found in this part of your history; it goes on by the buttons.
filter-all = All
filter-done = ✅ Done
filter-open = ⏳ In progress
filter-failed = ❌ Failed

# Models and forms
models-title = 🧠 <b>Models</b>. Tap one to select it.
models-none = No models are available yet. Try again in a minute.
models-line = <b>{ $name }</b> { $version } · { $price } · { $state }
    { $description }
models-live = 🟢 running
models-away = ⚪️ temporarily unavailable
model-chosen = ✅ Selected: <b>{ $model }</b>. { $how }
model-how-text = Send a text to get an answer.
model-how-file = Send a file or a picture to get an answer.
model-how-form = /predict asks for its fields one by one; you can also send them as JSON.
form-field = ✏️ <b>{ $model }</b>, field { $number } of { $total }: <b>{ $field }</b>
form-optional = (optional)
form-default = (optional; by default: { $value })
form-begins = This model asks for its fields one by one. Your text does not fit the first: { $reason }.
form-taken = ✅ { $field }: { $value }
form-no-file = it takes a file
form-file = Send a file or a picture.
form-skip = Skip
form-wrong-number = This is not a number. Try again, or /cancel
form-wrong-integer = This is not a whole number. Try again, or /cancel
form-wrong-size = This number is out of range. Try again, or /cancel
form-wrong-json = This is not valid JSON. Try again, or /cancel
form-wrong-choice = Tap one of the buttons, or /cancel
form-wrong-value = ⚠️ This value does not fit: { $reason }. Try again, or /cancel
form-old = This question is closed.

# What a model's schema refuses
schema-at = { $field }: { $words }
schema-required = { $field } is missing
schema-unknown = unknown fields: { $fields }
schema-meant = { $field } (did you mean { $near }?)
schema-enum = must be one of: { $options }
schema-type = must be { $kinds }
schema-type-string = a text
schema-type-number = a number
schema-type-integer = a whole number
schema-type-boolean = yes or no
schema-type-array = a list
schema-type-object = an object
schema-type-null = empty
decimal-sign = .
schema-minimum = must be { $limit } or more
schema-maximum = must be { $limit } or less
schema-exclusiveMinimum = must be more than { $limit }
schema-exclusiveMaximum = must be less than { $limit }
schema-multipleOf = must be a multiple of { $limit }
schema-minLength = too short: at least { $limit } characters
schema-maxLength = too long: at most { $limit } characters
schema-minItems = too few items: at least { $limit }
schema-maxItems = too many items: at most { $limit }
schema-uniqueItems = has the same item twice
schema-pattern = does not have the expected form
schema-format = does not have the expected form
schema-const = is not the expected value
schema-other = is not what the model expects

# Connecting accounts
link-how = 🔗 To connect this chat to your API account, press Account → Connect Telegram on the service's page, or request a code from the API:
    <pre>POST /users/me/telegram</pre>
    Open the link in its answer, or send me <code>/link CODE</code> within ten minutes. Credits bought in this chat move to that account; unspent starting credits stay here.
link-ask = 🔗 Connect this chat to the account <b>{ $username }</b>?
    That account will pay for requests from this chat, its owner will be able to read them, and the credits bought here move there: { $moved }. Unspent starting credits stay.

    Agree only if you requested this code yourself.
button-link = ✅ Connect to { $username }
button-link-no = ✖️ No
link-dropped = ✖️ Cancelled. Nothing has changed.
link-old = This question is closed. Send /link CODE again.
link-done = 🔗 This chat now uses the account <b>{ $username }</b>. Moved: { $moved } · balance: { $balance }
    Leave it: /unlink
link-already = This chat uses the account <b>{ $username }</b>. Leave it: /unlink
link-wrong = This code is wrong, has been used, or is older than ten minutes. Request a new one.
unlinked = This chat pays for itself again; balance: { $balance }. Credits that were moved stay where they are.
unlink-none = This chat pays for itself already.
delete-ask = 🗑 Delete everything I keep about you? Your requests, answers and files, what you have chosen, and this chat's own account with { $balance }. This cannot be undone.

    What stays: amounts in the ledger, without a name, and the number of this chat, so that starting credits are given once. Messages in Telegram stay until you delete them there.
delete-account-stays = Your API account <b>{ $username }</b> stays, and this chat leaves it. You can delete it on the page or through the API.
button-delete = 🗑 Delete it all
button-delete-no = ✖️ No
delete-dropped = ✖️ Cancelled. Nothing was deleted.
delete-old = This question is closed. Send /delete_me again.
delete-done = 🗑 Done. Unfinished requests are being cancelled and texts erased; that takes a minute or so.
notify-none = First connect this chat to your API account: /link
notify-on = 🔔 Answers to your API requests will come to this chat.
notify-off = 🔕 Answers to your API requests no longer come to this chat, unless a request asks for it.
notify-ask = Should answers to your API requests come to this chat?
button-notify-on = 🔔 Yes
button-notify-off = 🔕 No

# Admins
admin-only = This command is for admins. To connect this chat to an admin's account: /link
admin = 🛠 <b>Service</b>
    Unfinished: { $open }, not sent yet: { $unsent }
    Queue: { $queue }
    Messages waiting for chats: { $owed }
admin-queue = { $ready } messages ready, { $consumers } consumers
admin-queue-away = does not answer
admin-workers = <b>Workers: { $count }</b>
admin-worker = { $state } { $id }: { $models }
admin-model-failed = 🔴 { $name } cannot be loaded: { $reason }
admin-failures = <b>Failed in the last hour</b>
admin-failure = { $code }: { $count }
admin-no-failures = none
alert-no-workers = 🚨 <b>No worker is running.</b> Waiting: { $open }. Details: /admin
alert-workers-back = ✅ Workers are running again.

# Errors: one for each code of ml_service/domain/errors.py
error-invalid_input = ⚠️ The model does not accept this: { $message }
error-unauthenticated = ⚠️ This account no longer exists.
error-wrong_credentials = ⚠️ Wrong user name or password.
error-permission_denied = ⚠️ You do not have permission to do this.
error-forbidden = ⚠️ Your role does not allow this.
error-blocked = ⛔ This account is blocked. Ask the operator of this service.
error-model_disabled = ⚠️ This model is switched off at the moment. Other models: /models
error-scope_missing = ⚠️ This API key may not do this.
error-model_not_allowed = ⚠️ This API key may not use this model.
error-key_cap_exceeded = 💸 The spend cap of this API key does not cover the price.
error-max_credits_exceeded = 💸 This costs more than the request accepts.
error-insufficient_credits = 💸 Not enough credits. Price: { $cost } · balance: { $balance }
error-not_found = ⚠️ There is no such request. It may have been deleted because it was too old.
error-model_not_found = ⚠️ There is no such model. Available models: /models
error-username_taken = ⚠️ This name is taken.
error-last_admin = ⚠️ You are the last admin. Make somebody else an admin first.
error-account_deleted = ⚠️ This account was deleted.
error-already_finished = It has already finished.
error-idempotency_key_reused = ⚠️ This request was already sent with another text.
error-too_many_queued = ⏳ You have many unfinished predictions. Wait for some of them, or send many texts as a /batch
error-too_many_requests = ⏳ Too many attempts. Wait { $wait } and try again.
error-overloaded = ⏳ The service is busy. Nothing was charged; try again in a few minutes.
error-unavailable = ⏳ The service is temporarily unavailable. Nothing was charged; try again in a few minutes.
error-database_unavailable = ⏳ The database is temporarily unavailable. Nothing was charged; try again in a few minutes.
error-queue_unavailable = ⏳ The queue is temporarily unavailable; try again in a few minutes.

# The bot's profile and menu
profile-about = Answers from machine-learning models, paid with credits.
profile-description = Send me a text and a model answers: its label, how sure it is, and how long it took. See everything I can do: /help
command-start = Start
command-predict = Ask the selected model
command-batch = Many texts at once
command-history = Your requests and answers
command-balance = Credits and transactions
command-models = Choose a model
command-link = Connect to your API account
command-notify = Answers to API requests here
command-language = Русский / English
command-cancel = Cancel what you have started
command-stop = No more messages
command-delete_me = Delete my data
command-help = What I can do

# Why a prediction failed: the worker's codes; where there is none here, the model's own message is shown.
failure-model_timeout = the model took too long.
failure-model_out_of_memory = the model ran out of memory.
failure-model_busy = what the model depends on stayed busy.
failure-model_crashed = the model crashed.
failure-attempts_exhausted = it did not succeed after several attempts.
failure-version_gone = this version of the model is no longer available.
failure-output_invalid = the model gave an invalid answer.
