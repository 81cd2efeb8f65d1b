"""Everyday questions on forty topics: what an index scores for questions that it was not made for."""

ENGLISH = """\
What is the capital of France?
How long should I boil an egg?
Who painted the Mona Lisa?
What is the best way to learn the guitar?
How many players are there in a football team?
Why is the sky blue?
When did the Second World War end?
How do I remove a red wine stain from a carpet?
What should I feed a newborn kitten?
Which planet is the largest in the solar system?
How can I fall asleep faster?
What is the recipe for apple pie?
Who wrote Romeo and Juliet?
How tall is Mount Everest?
What are the symptoms of the flu?
How do I change a flat tyre?
Which language is spoken in Brazil?
What is the boiling point of water?
How often should houseplants be watered?
Who won the last world cup?
What causes earthquakes?
How do I write a wedding invitation?
What is the average salary of a teacher?
How does a refrigerator work?
What time does the supermarket close on Sunday?
How do I get a visa for Japan?
Which vitamins are in an orange?
Who invented the telephone?
How do I train a dog to sit?
What is the tallest building in the world?
How do birds find their way?
What is the difference between jazz and blues?
How do I apply for a mortgage?
What is photosynthesis?
How much luggage may I take on a plane?
What happened to the dinosaurs?
How do I knit a scarf?
What is the meaning of a red traffic light?
Who was the first person on the moon?
How do I calculate the area of a circle?
""".splitlines()

CHINESE = """\
法国的首都是哪里？
鸡蛋要煮多长时间？
《蒙娜丽莎》是谁画的？
怎样才能学好吉他？
一支足球队有多少名球员？
天空为什么是蓝色的？
第二次世界大战是哪一年结束的？
地毯上的红酒渍怎么去除？
刚出生的小猫应该喂什么？
太阳系中最大的行星是哪一颗？
怎样才能更快入睡？
红烧肉怎么做？
《红楼梦》的作者是谁？
珠穆朗玛峰有多高？
流感有哪些症状？
汽车轮胎没气了怎么换？
巴西人说什么语言？
水的沸点是多少度？
室内绿植多久浇一次水？
上一届世界杯冠军是哪支球队？
地震是怎么发生的？
婚礼请柬应该怎么写？
教师的平均工资是多少？
冰箱是如何制冷的？
超市星期天几点关门？
去日本旅游怎么办签证？
橙子里含有哪些维生素？
电话是谁发明的？
怎么训练小狗坐下？
世界上最高的建筑是哪一座？
候鸟是怎么辨别方向的？
京剧和越剧有什么区别？
买房贷款怎么申请？
什么是光合作用？
坐飞机可以带多少行李？
恐龙是怎么灭绝的？
围巾怎么织？
红灯亮的时候应该怎么办？
第一个登上月球的人是谁？
圆的面积怎么计算？
""".splitlines()
