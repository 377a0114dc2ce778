"""What people have on their conscience in toy/concealment: matched deeds, and the sentences that present them."""

FRAMES_ACT = """
0 I had {act}. He asked me about it.
1 I had {act}. She wanted to know who it was.
0 He asked me whether I had {act}.
1 She asked whether it was I who had {act}.
2 They wanted to know who had {act}. I had.
0 My uncle asked which of us had {act}. I had.
1 My mother heard that someone had {act}. She asked, and it was mine to answer.
2 I had {act}. The neighbours came round with questions.
1 I had {act}. My wife looked up and asked what I had been doing.
0 I had {act}. The foreman called me in.
2 I had {act}. They asked all of us in turn.
1 She came in and asked if I had {act}. I had.
0 The teacher asked who had {act}. I had.
"""

FRAMES_THING = """
0 He asked me about {thing}.
1 She asked me what I knew about {thing}. I knew all of it.
2 They came to me about {thing}. I was behind it.
0 My father wanted to hear about {thing}.
1 My sister asked about {thing}. That had been me.
2 The question at the table was {thing}.
0 The landlord rang me about {thing}. I was to blame.
1 My aunt brought up {thing} and looked at me.
"""

ACTS = """
home: broken the tall vase in the hall / chipped a saucer in the hall
home: burnt a hole in the best tablecloth / spilled some water on the tablecloth
home: left the tap on until the ceiling came down / left the tap dripping for an hour
home: let the cat eat the Sunday roast / let the cat up on the sofa
home: cracked the mirror in the bathroom / left a smear on the mirror
home: lost the only key to the attic / put the key to the attic in the wrong drawer
home: scratched the piano with my belt / left a glass on the piano
home: flooded the cellar with the hose / left the hose out on the lawn
home: thrown away the wedding photographs by mistake / moved the wedding photographs to the shelf
work: lost the whole file of the Weber order / put the Weber order in the wrong tray
work: sent the price list to the wrong firm / sent the price list a day late
work: jammed the big press with a spoon / stopped the big press for a minute
work: slept through the night watch / yawned through the morning talk
work: backed the van into the gatepost / parked the van across two places
work: ordered nine hundred lamps instead of ninety / ordered ten lamps too few
work: wiped the week's figures / mixed up two of the week's figures
work: left the cold store open all night / left the cold store open for a minute
work: told the customer the wrong dose of weed killer / told the customer the wrong opening hours
money: taken twenty from the housekeeping jar / taken a coin from the housekeeping jar
money: lost the rent at cards / lost a coin at cards
money: spent the class trip money / counted the class trip money twice
money: overcharged the old lady by a week's wages / overcharged the old lady by a penny
money: forgotten to pay the insurance / forgotten to sign the insurance card
money: sold the family silver / polished the family silver badly
money: pawned his good camera / lent out his good camera
school: copied the answers from the next desk / peeked at the clock on the next desk
school: broken the microscope / smudged the lens of the microscope
school: torn a map out of the atlas / folded a corner in the atlas
school: let the class hamster out / overfed the class hamster
school: thrown the ball through the chapel window / thrown the ball over the chapel wall
school: skipped the whole of Thursday / come in late on Thursday
school: failed the history exam / got a low mark in history
garden: cut down the wrong tree / cut the hedge a little crooked
garden: run over the prize marrow / stepped on a lettuce
garden: left the gate open and lost the goat / left the gate open for a minute
garden: poisoned the pond with soap / dropped a glove in the pond
garden: picked all the neighbour's tulips / picked one of the neighbour's daisies
garden: dug through the telephone line / dug the bed a foot too long
car: scraped the neighbour's car and driven on / scraped my own bumper on the wall
car: driven with the brake on all the way / driven with the radio on all the way
car: put the wrong fuel in his car / put the seat back in his car
car: lost the car papers in the lake / left the car papers in the glove box
car: hit the garage door / left the garage door half open
car: got a fine for speeding through the village / got a flat tyre in the village
friends: read her diary from end to end / read the title of her diary
friends: told her secret to the whole choir / told her news to the choir too early
friends: broken his guitar at the party / borrowed his guitar for the party
friends: forgotten to post his application / posted his application a day late
friends: kissed her cousin at the fair / danced with her cousin at the fair
friends: lost the ring he lent me / worn the ring he lent me
friends: made up the story about his accident / retold the story about his accident
friends: missed her concert for a card game / come late to her concert
sport: touched the net before the point / touched the net after the point
sport: missed training to go to the races / missed training with a cold
sport: bent the captain's bicycle / muddied the captain's bicycle
sport: dropped the club's cup down the stairs / left a fingerprint on the club's cup
sport: moved the ball with my foot / cleaned the ball with my sleeve
sport: counted one lap too few / tied my lace on the last lap
food: eaten the cake for the christening / eaten the last biscuit
food: dropped the goose and put it back on the plate / dropped a fork beside the plate
food: left egg in the dish of the boy who gets ill / left a shell in the egg dish
food: put salt in the jam by mistake / put too little sugar in the jam
food: drunk the wine meant for the bishop / opened the wine meant for Sunday
food: served the sauce a week too old / served the sauce a bit too cold
travel: missed the last train with the tickets / missed the first train by a minute
travel: left her suitcase on the platform / left her umbrella on the platform
travel: lost all our passports / packed our passports at the bottom
travel: booked the wrong island / booked the later boat
travel: told the guide a false name / told the guide my middle name
travel: broken the lamp in the hotel room / moved the lamp in the hotel room
animals: let the parrot fly out of the window / let the parrot out of its cage
animals: forgotten to feed the horses for two days / fed the horses an hour late
animals: trodden on the tortoise / tripped over the tortoise
animals: given the dog a whole box of chocolates / given the dog a bit of cheese
animals: left the rabbits out in the hail / left the rabbits out until dusk
things: cracked the screen of her phone / smudged the screen of her phone
things: ruined his wool coat in the wash / creased his wool coat in the wash
things: bent the arm of grandmother's glasses / sat next to grandmother's glasses
things: spilled ink over the marriage papers / spilled tea over the newspaper
things: broken the handle off the church jug / put the church jug on the wrong shelf
things: snapped the neck of the cello / left dust on the cello
things: lost the museum's oldest coin / held the museum's oldest coin
town: knocked over the war memorial fence / leant on the war memorial fence
town: painted a face on the mayor's poster / put up the mayor's poster upside down
town: rung the church bell at midnight / rung the church bell a minute late
town: broken the street lamp with a stone / bumped into the street lamp
town: left the ice rink unlocked / left the ice rink last
birthday!: spent the money for his birthday / planned the surprise for his birthday
birthday!: eaten half of the birthday cake / ordered the birthday cake in secret
birthday!: forgotten the birthday altogether / booked the band for the birthday
birthday!: ruined the birthday dress / wrapped the birthday dress in blue paper
surprise!: sold tickets to the surprise party / sent out cards for the surprise party
surprise!: lost the list for the surprise party / hidden the lanterns for the surprise party
present!: broken the present from his aunt / hidden a present for him in the attic
present!: kept the present meant for her / bought the present meant for her
present!: returned the present and kept the money / tied a ribbon round the present
proposal!: pawned the engagement ring / bought the engagement ring
proposal!: told the village about the proposal / practised the proposal by the river
anniversary!: missed the anniversary dinner / arranged the anniversary dinner
"""

THINGS = """
home: the broken pane in the pantry / the open window in the pantry
home: the stain under the rug / the crumbs on the rug
home: the missing spoons / the misplaced spoons
work: the missing crate of oranges / the wet crate of oranges
work: the letter that never reached the client / the letter that reached the client late
work: the crack in the new machine / the mud on the new machine
money: the hole in the cash box / the mix-up in the cash box
money: the unpaid bill from the tailor / the unread bill from the tailor
money: the empty savings tin / the dusty savings tin
school: the cheating in the spelling test / the noise in the spelling test
school: the broken chair in the music room / the moved chair in the music room
garden: the dead roses by the wall / the dry roses by the wall
garden: the hole in the greenhouse roof / the leaf on the greenhouse roof
car: the dent in the red van / the mud on the red van
car: the missing mirror on his car / the fogged mirror on his car
friends: the rumour about his wife / the joke about his hat
friends: the night I left her waiting / the night I came a little late
sport: the false start in the relay / the slow start in the relay
sport: the torn club flag / the folded club flag
food: the empty sherry bottle / the open sherry bottle
food: the burnt stew / the lukewarm stew
travel: the lost tickets / the creased tickets
travel: the broken lock on the cabin / the stiff door of the cabin
animals: the goldfish in the drain / the goldfish in the wrong bowl
animals: the limp of the grey pony / the mane of the grey pony
things: the shattered barometer / the crooked barometer
things: the ripped page in the family Bible / the bent page in the family Bible
town: the missing church candlesticks / the melted church candles
birthday!: the ruined birthday picnic / the secret birthday picnic
surprise!: the spoiled surprise in the barn / the surprise in the barn
present!: the vanished present / the large present under the stairs
"""
