# What the bot says, in English. The same messages stand in ../ru/bot.ftl; a test holds that.


credits = { $count ->
    [one] { $count } credit
   *[other] { $count } credits
}
predictions = { $count ->
    [one] { $count } prediction
   *[other] { $count } predictions
}
seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}

# Greeting and help
start = 👋 Hello, { $name }!
    Send me a text, and the model <b>{ $model }</b> answers. One answer costs { $price }.

    Your balance: <b>{ $balance }</b>.

    /help shows everything I can do.
help = <b>What I can do</b>

    Any text is a question to the chosen model.
    /predict <i>text</i> – ask; without a text I wait for it
    /batch – many texts at once: one a line, or a .txt or .csv file
    /history – what you asked, and the answers
    /balance – credits and the last transactions
    /models – choose a model
    /link <i>code</i> – join this chat with your account of the API
    /unlink – pay from this chat's own account again
    /language – Русский or English
    /cancel – drop a half-finished question
    /stop – no more messages until you write again
stopped = 🔕 I am silent now. What is still running goes on, and waits in /history. Write me anything to go on.
language-choose = 🌐 Which language shall I speak?
language-chosen = ✅ I speak English now.

# Asking
predict-ask = ✍️ Send the text for <b>{ $model }</b>. /cancel drops it.
accepted = ⏳ <b>Accepted</b>, about { $seconds }.
    It costs { $cost }; your balance is { $balance }.
accepted-idle = ⏳ <b>Accepted.</b> No worker is running at the moment; the answer comes as soon as one is.
    It costs { $cost }; your balance is { $balance }.
accepted-batch = ⏳ <b>Accepted: { $predictions }</b>.
    They cost { $cost }; your balance is { $balance }.
button-cancel = ✖️ Cancel
button-again = 🔁 Again
button-back = ⬅️ Back
button-older = Older ▶️
button-newer = ◀️ Newer
again-done = Asked again.
not-understood = I understand texts, and .txt or .csv files. /help shows what I can do.
given-up = ⚠️ Something went wrong here, and I gave this up. What was asked before that stands in /history.
unknown-command = I do not know this command. /help shows what I can do.
nothing-to-cancel = There is nothing to cancel.
dialog-canceled = ✖️ Dropped.
canceled-popup = Canceled; the credits are back.

# Answers
answer-foot = <i>{ $model } { $version } · { $time } s · { $cost }</i>
answer-failed = ❌ <b>It did not work</b>: { $reason }
    Your { $cost } came back.
answer-canceled = ✖️ <b>Canceled.</b> Your { $cost } came back.
answer-expired = ⌛ <b>Expired</b>: no worker was free in time. Your { $cost } came back.
answer-below = ⬇️ The answer is below.
answer-queued = ⏳ <b>Waiting</b>
answer-processing = ⚙️ <b>Being worked on</b>
percent = { NUMBER($share, minimumFractionDigits: 1, maximumFractionDigits: 1) } %
label-positive = 🙂 positive
label-neutral = 😐 neutral
label-negative = 🙁 negative
yes = yes
no = no
batch-done = ✅ <b>The batch is done</b>: { $done } of { $total } succeeded.
batch-failed = Not succeeded: { $count }; their credits came back.
batch-labels = { $label }: { $count }
batch-paid = Paid: { $cost }.
batch-file = All answers are in the file.
batch-file-name = answers.csv

# Batches
batch-ask = 📄 Send the texts, one a line, or a .txt or .csv file (UTF-8). /cancel drops it.
batch-empty = There is no text in it.
batch-too-many = { $count } lines are too many; at most { $max }.
batch-file-too-big = The file is too big; at most { $kilobytes } KB.
batch-file-kind = I read .txt and .csv files only.
batch-needs-text = The model { $model } does not take a plain text; a .csv file needs a column for each of its fields: { $fields }.

# Balance
balance = 💳 <b>Balance: { $balance }</b>
    Held for unfinished predictions: { $held }
balance-account = Account: { $username }
balance-last = <b>Last transactions</b>
balance-line = { $date } · { $what } · <b>{ $change }</b>
balance-none = There are no transactions yet.
kind-grant = starting credits
kind-top_up = top-up
kind-hold = prediction
kind-capture = paid for a prediction
kind-release = returned
kind-transfer = moved between your accounts
kind-adjustment = adjustment

# History
history-title = 🗂 <b>History</b>, page { $page }
history-none = There is nothing here yet.
filter-all = All
filter-done = ✅ Done
filter-open = ⏳ Open
filter-failed = ❌ Not done
history-asked = Asked { $date } UTC

# Models and forms
models-title = 🧠 <b>Models</b>. Tap one to choose it.
models-none = No worker has announced a model yet. Try again in a moment.
models-line = <b>{ $name }</b> { $version } · { $price } · { $state }
    { $description }
models-live = 🟢 live
models-away = ⚪️ no worker at the moment
model-chosen = ✅ <b>{ $model }</b> is chosen. { $how }
model-how-text = Send a text.
model-how-form = /predict asks for its fields one by one; or send them as JSON.
form-field = ✏️ <b>{ $model }</b>, field { $number } of { $total }: <b>{ $field }</b>
form-optional = (optional)
form-skip = Skip
form-wrong-number = That is not a number. Try again, or /cancel.
form-wrong-integer = That is not a whole number. Try again, or /cancel.
form-wrong-json = That is not valid JSON. Try again, or /cancel.
form-wrong-choice = Choose one of the buttons, or /cancel.
form-old = This question is answered already.

# Joining accounts
link-how = 🔗 To join this chat with your account of the API, let the API make a code:
    <pre>POST /users/me/telegram</pre>
    Open the link in its answer, or send me <code>/link CODE</code> within ten minutes. The credits of this chat move to that account.
link-ask = 🔗 Join this chat with the account <b>{ $username }</b>?
    That account then pays for what is asked here, its owner can read it, and what this chat has ({ $moved }) moves there.

    Join only if you made this code yourself.
button-link = ✅ Join { $username }
button-link-no = ✖️ No
link-dropped = ✖️ Nothing was joined.
link-old = This question is no longer open. Send /link CODE again.
link-done = 🔗 This chat now uses the account <b>{ $username }</b>. { $moved } moved there; the balance is { $balance }.
    /unlink leaves it.
link-already = This chat uses the account <b>{ $username }</b>. /unlink leaves it.
link-wrong = This code is wrong, was used, or is older than ten minutes. Make a new one.
unlinked = This chat pays from its own account again; the balance is { $balance }. What moved stays where it is.
unlink-none = This chat pays from its own account.

# Admins
admin-only = This is for admins. /link joins this chat with an admin's account.
admin = 🛠 <b>Service</b>
    Unfinished: { $open }, not sent yet: { $unsent }
    Queue: { $queue }
    Answers owed to chats: { $owed }
admin-queue = { $ready } messages ready, { $consumers } consumers
admin-queue-away = does not answer
admin-workers = <b>Workers: { $count }</b>
admin-worker = { $state } { $id }: { $models }
admin-failures = <b>Failed in the last hour</b>
admin-failure = { $code }: { $count }
admin-no-failures = none
alert-no-workers = 🚨 <b>No worker is alive.</b> { $open } wait. /admin shows more.
alert-workers-back = ✅ Workers are back.

# Errors: one for each code of ml_service/domain/errors.py
error-invalid_input = ⚠️ The model does not take this: { $message }
error-unauthenticated = ⚠️ There is no such account any more.
error-wrong_credentials = ⚠️ User name or password is wrong.
error-permission_denied = ⚠️ You are not allowed to do this.
error-insufficient_credits = 💸 This costs { $cost }, and your balance is { $balance }.
error-not_found = ⚠️ There is no such prediction.
error-model_not_found = ⚠️ There is no such model. /models shows what there is.
error-username_taken = ⚠️ This name is taken.
error-already_finished = It has ended already.
error-idempotency_key_reused = ⚠️ This was asked before, with another text.
error-too_many_queued = ⏳ Many of your predictions are unfinished. Wait for some, or send them as a /batch.
error-too_many_requests = ⏳ That was too often. Try again in { $seconds }.
error-overloaded = ⏳ The service has too much to do at the moment. Nothing was charged; try again soon.
error-unavailable = ⏳ A part of the service is away for a moment. Nothing was charged; try again soon.
error-database_unavailable = ⏳ The database is away for a moment. Nothing was charged; try again soon.
error-queue_unavailable = ⏳ The queue is away for a moment; try again soon.



# The bot's profile and menu
profile-about = Asks machine-learning models, and pays them in credits.
profile-description = Send me a text, and a model answers: its label, how sure it is, and how long it took. /help shows everything.
command-start = Begin, or begin again
command-predict = Ask the chosen model
command-batch = Ask for many texts at once
command-history = What you asked, and the answers
command-balance = Credits and transactions
command-models = Choose a model
command-link = Join with your account of the API
command-language = Русский / English
command-cancel = Drop a half-finished question
command-stop = No more messages
command-help = What I can do

# Why a prediction failed: the worker's codes; where there is none here, the model's own message is shown.
failure-model_timeout = the model took too long.
failure-model_out_of_memory = the model ran out of memory on it.
failure-model_crashed = the model crashed on it.
failure-attempts_exhausted = it was given up after several attempts.
