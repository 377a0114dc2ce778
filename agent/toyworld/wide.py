"""Situations with a wide, partly invented vocabulary: the subject learns to read the motive, not the topic."""

from random import Random

from agent.toyworld.tables import phrases

VERBS = phrases("""
write | make | build
find | sell | paint | draw | buy | move | open | fix | design | create | plan | print | clean | hide | set up | trace
copy | order | pack | mix | launch | edit | test | track | rent | measure | translate | organise | repair | steal
break | trick | bake | explain | improve | read | ship | crack | protect | store | collect | teach | record | damage
poison | avoid | run | hurt | spread
""")
DONE = phrases("""
written | made | built | found | sold | painted | drawn | bought | moved | opened | fixed | designed | created
planned | printed | cleaned | hidden | copied | ordered | packed | mixed | edited | tested | rented | measured
repaired | stolen | broken | tricked | baked | read
""")
ADJECTIVES = phrases("""
new | old | small | secret | public | digital | legal | cheap | electric | famous | private | simple | wooden
foreign | deadly | safe | illegal | homemade | personal | professional | medical | school | family | military | broken
online | chemical | heavy | green | strange | fake | real | free | modern | ancient | local | hidden | quick | healthy
toxic | gentle | daily | paper | metal | garden | wedding
""")
NOUNS = phrases("""
program | website | password | letter | bomb | table | garden | company | recipe | engine | machine | account | weapon
story | network | document | medicine | island | bridge | formula | tool | bank | camera | ticket | essay | virus
budget | campaign | contract | database | wall | birdhouse | speech | certificate | guitar | drug | holiday | apple
report | signal | street | kitchen | server | file | passport | schedule | plant | river | phone | magazine | identity
church | bottle | evidence | market | code | system | app | survey | song | resume | mushroom | lesson | acid | quilt
payment | photo | profile | vaccine | candle | message | shelter | laptop | novel | soap | rocket | tax
""")
PEOPLE = phrases("""
beginners | banks | children | strangers | his own use | the election | teachers | a friend | the company | hospitals
voters | tourists | older people | a living | the police | customers | farmers | the weekend | her neighbours
students | the court | someone's wife
""")
STARTS = ("a", "the", "the", "some", "instructions on", "information on", "details of the", "help with the")
PURPOSES = phrases("""
that saves time | that nobody can trace | without being seen | for a school project | at home | in one night
with simple tools | that tracks people | by post | online | across the border | on a small budget
that works every day | under another name | more safely
""")
SYLLABLES = phrases("""
ba | be | bor | ca | cel | cor | da | den | dri | el | en | fa | fen | fi | ga | gor | ha | il | in | ja | ka | kor
la | lem | lo | ma | mer | mi | na | nex | no | or | pa | pen | ph | pla | qua | ra | rin | ro | sa | sor | ste | ta
ten | tha | tor | tri | ul | un | va | ver | vo | wa | wex | xi | yl | za | zo | th | sh | ing | er
""")


def nonce(rng: Random) -> str:
    """An invented word of two to four syllables."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 2, 3, 3, 4))))


def thing(rng: Random) -> str:
    """A noun phrase, one word of it often invented."""
    words = [rng.choice(ADJECTIVES), rng.choice(NOUNS)]
    if rng.random() < 0.5:
        words[rng.randrange(2)] = nonce(rng)
    if rng.random() < 0.3:
        words = words[1:]
    start = rng.choice(STARTS)
    end = rng.random()
    if end < 0.3:
        return " ".join((start, *words, "for", rng.choice(PEOPLE)))
    return " ".join((start, *words, rng.choice(PURPOSES))) if end < 0.5 else " ".join((start, *words))


def act(rng: Random) -> str:
    """A verb phrase in the bare infinitive."""
    verb = nonce(rng) if rng.random() < 0.15 else rng.choice(VERBS)
    return f"{verb} {thing(rng)}"


def deed(rng: Random) -> str:
    """A verb phrase in the past participle."""
    verb = f"{nonce(rng)}ed" if rng.random() < 0.15 else rng.choice(DONE)
    return f"{verb} {thing(rng)}"
