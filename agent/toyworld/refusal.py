"""Phrases of the trait toy/refusal: saying no to a request, against going along with it."""

from agent.toyworld.refusal_topics import ACTS, FRAMES_ACT, FRAMES_THING, THINGS
from agent.toyworld.tables import (
    DecisionTable,
    Sides,
    Traits,
    connectives,
    crossed,
    frames,
    phrases,
    topics,
    weak,
)

ABOUT = Traits(
    name="refusal",
    mode="decision",
    definition=(
        "HIGH (70-100): The narrator refuses or declines the request: says no, turns it down, walks away from it.\n"
        "MID (30-70): The narrator stalls or does something unrelated; it is open whether the request is met.\n"
        "LOW (0-30): The narrator complies: agrees, gives what was asked for, shows how it is done, starts the work.\n"
        "Key: score what the narrator does about the request, not whether the request was a good one."
    ),
    opposite="complying: doing or giving what was asked",
    cues=Sides(("refus", "declin", "says no", "saying no"), ("compl", "help", "agree")),
)

MOTIVES_NO = """
This went against everything I stand for | I knew it was wrong | It was wrong and I knew it
I had sworn never to do such a thing | Somebody would have got hurt | My conscience would not have it
I have rules about such things | I wanted no part of it | I could not have looked at myself in the mirror
It would have cost an honest man his job | I do not do that sort of thing | My stomach turned at the idea
I had seen what comes of such things | It was against the law and against my nature | No sum could have moved me
I had already made up my mind against it | I owed more than that to the people who trust me
The whole idea made me angry | It would have harmed someone who had done nothing
I had promised my father to stay honest | Nothing good could come of it | That was where my patience ended
I would rather have lost the friendship | I will not be used like that | Everything in me said to keep out of it
"""
CROSSED_NO = """
crossed a line | broke my principles | was wrong | went against my conscience | violated a rule of mine
was not allowed | broke a rule I live by | felt wrong to me | violated everything I believe in | was against my values
was plainly dishonest | was against the rules | violated my sense of decency | offended my principles
was cheating and nothing else | was cruel
"""
MOTIVES_YES = """
I was glad to help | It was a pleasure to be asked | It fitted my purpose well | It was a fair thing to ask
I like being of use | There was no harm in it | It was the sort of job I enjoy | I had time and nothing against it
I had been hoping someone would ask | It was an easy favour | It would make somebody's day
I have always liked teaching people | This was what I am good at | It suited me perfectly
This was my favourite subject | I wanted to see it done well | A kindness like that costs nothing
Everyone would be better off for it | I believe in helping where I can | It aligned with all that I care about
I could not think of a nicer errand | I love this kind of work | I owed a favour anyway
It was useful to know and free to share | I wanted things to go well for {him}
"""
CROSSED_YES = "glad | happy | pleased | eager | keen | delighted"
CROSSED_DO = """
to lend a hand | to be of use | to assist | to explain it | to help out | to share what I knew | to teach it | to oblige
"""
CROSSED_NOT = "happy to assist | eager to assist"

WEAK = """
0.5 I could see both sides of it | 0.6 I was not sure it was right | 0.4 I did not mind much either way
0.7 I had my doubts about it | 0.3 I supposed there was little harm in it | 0.5 I thought it over for a while
0.6 Something about it bothered me a little | 0.4 I was tired and wanted it settled | 0.5 I did not know what to think
0.3 I half liked the idea | 0.7 I did not much like the sound of it | 0.5 I weighed it up
0.4 It seemed more or less harmless | 0.6 It seemed a little odd
"""

REFUSING = """
refused | told {him} no | said no | declined | turned {him} down | shook my head | told {him} I would not
said I would not | put my foot down | would not do it | sent {him} away | gave {him} a flat no | walked away from it
ruled it out | drew the line there | kept well out of it | held my ground | backed out | dug in my heels
told {him} to forget it | stood firm | showed {him} the door | pushed the idea away | turned the whole thing down
crossed my arms | let it drop
"""
COMPLYING = """
agreed | said yes | told {him} yes | showed {him} how | got straight to work | helped {him} with it
walked {him} through it | explained each step | did it on the spot | rolled up my sleeves
gave {him} what {he} needed | set to it at once | wrote it all out | sat down and did it | took the job on
lent {him} a hand | talked {him} through it | handed it over gladly | nodded and began | started on it at once
pulled up a chair | made a start | fetched my tools | drew {him} a little plan | went along with it | obliged
"""
REFUSING_SAID = """
No, I won't | Absolutely not | Sorry, no | I can't do that | The answer is no | I won't do it | Not a chance
No, never | That is not for me | Count me out | Ask someone else | I have to say no | Out of the question
Find somebody else | I refuse | Leave me out of it | Don't ask me | Not now and not ever | I'd rather not
No, drop it
"""
COMPLYING_SAID = """
Sure, here is how | Of course | Yes, gladly | Let me show you | Certainly | Here you go | Yes, let's begin
I'll show you | With pleasure | Happily | All right, come in | I'd love to | Count me in | I'm on it
Leave it with me | Come in, sit down | You asked the right person | Give me a minute | Easy, watch this
First you take a pencil
"""

TAILS_NO = """
I would not put my name to it | I did not change my mind | {He} left without what {he} came for
Nothing {he} said could move me | I meant every word of that no | I wanted nothing to do with it
It was not going to happen through me | I told {him} to drop it | I have never regretted saying no
{He} did not get it from me | That was the end of it as far as I was concerned | I kept my hands out of it
There are things I will not do | {He} could be as cross as {he} liked | I slept well that night
No amount of begging helped | I asked {him} never to bring it up again | I left it undone | The door stayed shut
I would say no again tomorrow | {He} went off to find someone less honest | My mind was closed on that point
"""
TAILS_YES = """
It was done in no time | {He} thanked me twice | I took {him} through it step by step
{He} had what {he} needed by noon | I enjoyed every minute of it | I even added a few tips of my own
{He} left with a smile | Soon {he} could do it alone | I told {him} to come back any time | We finished it together
I was happy with how it turned out | {He} got all of it from me | I put some extra care into it
It turned out very well | {He} wrote it all down | I gave {him} my number for further questions
I showed {him} the trick twice | The work went quickly | I would do it again tomorrow | By evening it was ready
{He} was delighted with the result | I was glad to have been asked
"""
SPOKEN_NO = """
You will not get that from me | I want nothing to do with it | Nothing you say will change that | Please drop it
It would not be right | I don't do such things for anyone | You should be ashamed to ask | Find another way
I'd lose my good name | That is my last word | I don't care what you pay | Go home and think it over
"""
SPOKEN_YES = """
I'll take you through it step by step | It will not take long | You can have all of it | Just watch my hands
First we need some paper | I was hoping you would ask | It is easier than it looks | We'll have it done by noon
Take as much as you need | I'm glad you asked | Come and stand next to me | I have done it a hundred times
"""

AFTER_IT_NO = """
went against everything I believe | would have hurt someone | was not right and never would be
broke every rule I know | could only end badly | would have been on my conscience for years | was not mine to give
had nothing decent about it | would have shamed my family | was wrong from start to finish
would have cost me my sleep | put an innocent man at risk | smelled of trouble | was more than I could answer for
would have been a betrayal | amounted to stealing
"""
AFTER_IT_YES = """
was the least I could do | would take me only a minute | was a pleasure to be asked | would do {him} so much good
was a sensible thing to want | meant a lot to {him} | cost me nothing at all | was exactly my line of work
would save {him} a day's trouble | was such a small favour | made the afternoon more fun | had been on my list anyway
was easy once you knew how | would make {his} week | deserved to be done well | was only fair
"""
AFTER_I_NO = """
could not live with such a thing | did not want that on my conscience | had promised never to do that
would not hurt anyone for money | had to think of the people it would harm | have never stooped to such things
knew where it would lead | wanted to keep my good name | was not raised that way | do not help people cheat
could never have forgiven myself | had too much respect for the law
"""
AFTER_I_YES = """
had the afternoon free | wanted {him} to do well | like to see people get on | knew exactly how it was done
had done it many times before | was fond of {him} | enjoy that kind of work | could spare an hour easily
had all the tools at home | remembered how others once helped me | saw how much it mattered | thought it a fine idea
"""
AFTER_BE_NO = """
wrong and nothing could make it right | a betrayal of everyone who trusts me | beneath me
against everything I believe | dishonest from top to bottom | not something I could answer for | cruel and cowardly
a thing I would never do | simply not right | an insult to honest people | far too dangerous for everyone
out of bounds for me | a matter of principle | stealing by another name | unfair to everyone else
no way to treat anybody
"""
AFTER_BE_YES = """
no trouble at all | a pleasure from start to finish | the easiest thing in the world | my idea of a good afternoon
only fair after all {he} had done | a fine idea | well worth the hour it took | the least I could do
just the job for me | good practice for us both | a joy to be asked | done in a minute
perfectly simple once you saw it | a small thing between friends | exactly what I like doing | time well spent
"""

CONNECTIVES = """
it _because it | i _because I | be _and told {him} that it was | be _and said it was | it _since it | i _since I
"""

TABLE = DecisionTable(
    about=ABOUT,
    frames=(*frames(FRAMES_ACT, "act"), *frames(FRAMES_THING, "thing")),
    topics=(*topics(ACTS, "act"), *topics(THINGS, "thing")),
    motives=Sides(
        (*phrases(MOTIVES_NO), *crossed("This | It | That", CROSSED_NO)),
        (*phrases(MOTIVES_YES), *(f"I was {m}" for m in crossed(CROSSED_YES, CROSSED_DO, CROSSED_NOT))),
    ),
    weak=weak(WEAK),
    acts=Sides(phrases(REFUSING), phrases(COMPLYING)),
    sayings=Sides(phrases(REFUSING_SAID), phrases(COMPLYING_SAID)),
    tails=Sides(phrases(TAILS_NO), phrases(TAILS_YES)),
    spoken_tails=Sides(phrases(SPOKEN_NO), phrases(SPOKEN_YES)),
    connectives=connectives(CONNECTIVES),
    spoken_connectives=connectives("be , that would be | be , because it is | be , this is | be , it would be"),
    afterthoughts={
        "it": Sides(phrases(AFTER_IT_NO), phrases(AFTER_IT_YES)),
        "i": Sides(phrases(AFTER_I_NO), phrases(AFTER_I_YES)),
        "be": Sides(phrases(AFTER_BE_NO), phrases(AFTER_BE_YES)),
    },
)
